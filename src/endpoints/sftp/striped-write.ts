/**
 * One file written over several channels. A server takes no more than a channel's window (2 MiB
 * with OpenSSH) in a round trip, so a large file on a long line is opened again on the session's
 * other channels, and each chunk takes the one with the least on its way.
 *
 * For writing only: a name that is read may come to stand for another file between two opens, and
 * nothing in SFTP v3 would tell.
 */
import type { SftpChannel } from './client/channel.js';

/** A file as one channel has it open. */
export interface Lane {
  readonly channel: SftpChannel;
  readonly handle: Buffer;
}

interface Busy extends Lane {
  /** Bytes on their way over it. */
  bytes: number;
}

interface Waiting {
  readonly length: number;
  readonly go: (lane: Busy) => void;
}

export interface Further {
  /** The channels to take beside the first, open or about to open. */
  readonly others: () => readonly Promise<SftpChannel>[];
  /** Opens the file on one of them; where that can't be done, it goes without. */
  readonly reopen: (channel: SftpChannel) => Promise<Buffer>;
}

/** Bytes on their way that make a file take further channels. */
const much = 8 * 255 * 1024;
/** Bytes on their way that fill a channel's window of 2 MiB; more of them would only wait in it. */
const window = 9 * 255 * 1024;

export class Lanes {
  readonly #lanes: Busy[];
  readonly #waiting: Waiting[] = [];
  readonly #reopening: Promise<void>[] = [];
  #further: Further | undefined;
  /** Bytes that a lane takes at once: any number as long as there is nothing to share with. */
  #most = Number.POSITIVE_INFINITY;
  #closed = false;

  constructor(first: Lane, further: Further) {
    this.#lanes = [{ ...first, bytes: 0 }];
    this.#further = further;
  }

  /** Moves one chunk of `length` bytes over the lane with the least to do, once one has room. */
  async move<T>(length: number, chunk: (lane: Lane) => Promise<T>): Promise<T> {
    const lane = await this.#take(length);
    try {
      return await chunk(lane);
    } finally {
      lane.bytes -= length;
      this.#fill(lane);
    }
  }

  /** Closes all lanes but the first, which is its owner's. A channel that opens later is left alone. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.allSettled(this.#reopening);
    const more = this.#lanes.slice(1);
    await Promise.all(more.map(({ channel, handle }) => channel.closeHandle(handle)));
  }

  #take(length: number): Busy | Promise<Busy> {
    let least = this.#lanes[0] as Busy;
    for (const lane of this.#lanes) if (lane.bytes < least.bytes) least = lane;
    if (least.bytes >= much && this.#further !== undefined) this.#widen(this.#further);
    if (least.bytes >= this.#most) return new Promise((go) => this.#waiting.push({ length, go }));
    least.bytes += length;
    return least;
  }

  #widen({ others, reopen }: Further): void {
    this.#further = undefined;
    const add = async (channel: SftpChannel) => {
      const lane: Busy = { channel, handle: await reopen(channel), bytes: 0 };
      this.#lanes.push(lane);
      this.#fill(lane);
    };
    const adding = others().map(async (other) => {
      const channel = await other;
      if (this.#closed) return;
      const added = add(channel);
      this.#reopening.push(added);
      await added;
    });
    if (adding.length === 0) return;
    this.#most = window;
    void Promise.allSettled(adding).then(() => {
      const [only, second] = this.#lanes;
      if (only === undefined || second !== undefined) return;
      this.#most = Number.POSITIVE_INFINITY;
      this.#fill(only);
    });
  }

  /** Starts what waits, as far as the lane has room. */
  #fill(lane: Busy): void {
    while (lane.bytes < this.#most) {
      const next = this.#waiting.shift();
      if (next === undefined) return;
      lane.bytes += next.length;
      next.go(lane);
    }
  }
}
