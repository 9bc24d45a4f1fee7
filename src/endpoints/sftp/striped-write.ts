/**
 * One file written over several channels. A server takes no more than a channel's window (2 MiB
 * with OpenSSH) in a round trip, so a large file on a long line is opened again on the session's
 * other channels, and each chunk goes over the channel with the fewest bytes in flight, whichever files
 * they belong to.
 *
 * For writing only: between two opens a name may come to mean another file, which a reader could not
 * notice with SFTP v3.
 */
import type { SftpChannel } from './client/channel.js';

/** A file as one channel has it open. */
export interface ChannelHandle {
  readonly channel: SftpChannel;
  readonly handle: Buffer;
}

/** What all files together have in flight on one channel. */
class Load {
  bytes = 0;
  /** Files with chunks that wait for room on it. */
  readonly waiting = new Set<StripedWrite>();

  /** That of a channel. */
  static on(channel: SftpChannel): Load {
    const load = loads.get(channel) ?? new Load();
    loads.set(channel, load);
    return load;
  }
}

const loads = new WeakMap<SftpChannel, Load>();

interface Stripe extends ChannelHandle {
  readonly load: Load;
}

interface WaitingChunk {
  readonly length: number;
  readonly go: (stripe: Stripe) => void;
}

/** How a file gets to the session's other channels. */
export interface OtherChannels {
  /** The channels to use beside the first, open or being opened. */
  readonly others: () => readonly Promise<SftpChannel>[];
  /** Opens the file on one of them; a channel where that fails is not used. */
  readonly reopen: (channel: SftpChannel) => Promise<Buffer>;
}

/** With this many bytes in flight on its channel, a file that is larger is opened on further ones. */
const widenAtBytes = 8 * 255 * 1024;
/** This many bytes in flight fill a channel's window of 2 MiB; further chunks would only wait in it. */
const fullAtBytes = 9 * 255 * 1024;

export class StripedWrite {
  readonly #stripes: Stripe[];
  readonly #waiting: WaitingChunk[] = [];
  readonly #reopening: Promise<void>[] = [];
  #bytes = 0;
  /** Undefined once the other channels are used. */
  #unused: OtherChannels | undefined;
  /** Bytes in flight at which a stripe takes no further chunk; without other channels there is no limit. */
  #fullAt = Number.POSITIVE_INFINITY;
  #closed = false;

  constructor(first: ChannelHandle, others: OtherChannels) {
    this.#stripes = [{ ...first, load: Load.on(first.channel) }];
    this.#unused = others;
  }

  /** Writes one chunk of `length` bytes by `write`, over the stripe with the fewest bytes in flight, once that has room. */
  async write<T>(length: number, write: (to: ChannelHandle) => Promise<T>): Promise<T> {
    const stripe = await this.#take(length);
    try {
      return await write(stripe);
    } finally {
      stripe.load.bytes -= length;
      for (const file of [...stripe.load.waiting, this]) file.#fill(stripe.load);
    }
  }

  /** Closes the file on all channels but the first, whose handle the caller closes. A channel that opens later is not used. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.allSettled(this.#reopening);
    const others = this.#stripes.slice(1);
    await Promise.all(others.map(({ channel, handle }) => channel.closeHandle(handle)));
  }

  #take(length: number): Stripe | Promise<Stripe> {
    let least = this.#stripes[0] as Stripe;
    for (const stripe of this.#stripes) if (stripe.load.bytes < least.load.bytes) least = stripe;
    if (Math.min(least.load.bytes, this.#bytes) >= widenAtBytes && this.#unused !== undefined)
      this.#widen(this.#unused);
    this.#bytes += length;
    if (least.load.bytes >= this.#fullAt)
      return new Promise((go) => {
        this.#waiting.push({ length, go });
        for (const { load } of this.#stripes) load.waiting.add(this);
      });
    least.load.bytes += length;
    return least;
  }

  #widen({ others, reopen }: OtherChannels): void {
    this.#unused = undefined;
    const add = async (channel: SftpChannel) => {
      const stripe: Stripe = { channel, handle: await reopen(channel), load: Load.on(channel) };
      this.#stripes.push(stripe);
      this.#fill(stripe.load);
    };
    const adding = others().map(async (other) => {
      const channel = await other;
      if (this.#closed) return;
      const added = add(channel);
      this.#reopening.push(added);
      await added;
    });
    if (adding.length === 0) return;
    this.#fullAt = fullAtBytes;
    void Promise.allSettled(adding).then(() => {
      const [only, second] = this.#stripes;
      if (only === undefined || second !== undefined) return;
      this.#fullAt = Number.POSITIVE_INFINITY;
      this.#fill(only.load);
    });
  }

  /** Starts waiting chunks as long as this channel has room; then other files come first. */
  #fill(load: Load): void {
    const stripe = this.#stripes.find((it) => it.load === load);
    while (stripe !== undefined && load.bytes < this.#fullAt) {
      const next = this.#waiting.shift();
      if (next === undefined) break;
      load.bytes += next.length;
      next.go(stripe);
    }
    for (const { load } of this.#stripes) {
      load.waiting.delete(this);
      if (this.#waiting.length > 0) load.waiting.add(this);
    }
  }
}
