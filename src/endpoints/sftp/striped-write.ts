/**
 * One file written over several channels. A server takes no more than a channel's window (2 MiB
 * with OpenSSH) in a round trip, so a large file on a long line is opened again on the session's
 * other channels, and each chunk goes over the channel with the fewest bytes in flight.
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

interface Stripe extends ChannelHandle {
  bytesInFlight: number;
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

/** With this many bytes in flight, a file is opened on further channels. */
const widenAtBytes = 8 * 255 * 1024;
/** This many bytes in flight fill a channel's window of 2 MiB; further chunks would only wait in it. */
const fullAtBytes = 9 * 255 * 1024;

export class StripedWrite {
  readonly #stripes: Stripe[];
  readonly #waiting: WaitingChunk[] = [];
  readonly #reopening: Promise<void>[] = [];
  /** Undefined once the other channels are used. */
  #unused: OtherChannels | undefined;
  /** Bytes in flight at which a stripe takes no further chunk; without other channels there is no limit. */
  #fullAt = Number.POSITIVE_INFINITY;
  #closed = false;

  constructor(first: ChannelHandle, others: OtherChannels) {
    this.#stripes = [{ channel: first.channel, handle: first.handle, bytesInFlight: 0 }];
    this.#unused = others;
  }

  /** Writes one chunk of `length` bytes by `write`, over the stripe with the fewest bytes in flight, once that has room. */
  async write<T>(length: number, write: (to: ChannelHandle) => Promise<T>): Promise<T> {
    const stripe = await this.#take(length);
    try {
      return await write(stripe);
    } finally {
      stripe.bytesInFlight -= length;
      this.#fill(stripe);
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
    for (const stripe of this.#stripes)
      if (stripe.bytesInFlight < least.bytesInFlight) least = stripe;
    if (least.bytesInFlight >= widenAtBytes && this.#unused !== undefined)
      this.#widen(this.#unused);
    if (least.bytesInFlight >= this.#fullAt)
      return new Promise((go) => this.#waiting.push({ length, go }));
    least.bytesInFlight += length;
    return least;
  }

  #widen({ others, reopen }: OtherChannels): void {
    this.#unused = undefined;
    const add = async (channel: SftpChannel) => {
      const stripe: Stripe = { channel, handle: await reopen(channel), bytesInFlight: 0 };
      this.#stripes.push(stripe);
      this.#fill(stripe);
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
      this.#fill(only);
    });
  }

  /** Starts waiting chunks as long as the stripe has room. */
  #fill(stripe: Stripe): void {
    while (stripe.bytesInFlight < this.#fullAt) {
      const next = this.#waiting.shift();
      if (next === undefined) return;
      stripe.bytesInFlight += next.length;
      next.go(stripe);
    }
  }
}
