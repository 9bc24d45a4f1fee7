/**
 * One file written over several channels. A server takes no more than a channel's window (2 MiB
 * with OpenSSH) in a round trip, so a large file on a long line is opened again on the session's
 * other channels, and each chunk takes the one with the least on its way.
 *
 * For writing only: a name that is read may come to stand for another file between two opens, and
 * nothing in SFTP v3 would tell.
 */
import type { SftpChannel } from './protocol.js';

/** A file as one channel has it open. */
export interface Lane {
  readonly channel: SftpChannel;
  readonly handle: Buffer;
}

interface Busy extends Lane {
  /** Chunks on their way over it. */
  chunks: number;
}

/** Chunks of 255 KiB on their way that fill a channel's window; more of them would only wait in it. */
const chunksInWindow = 12;

export class Lanes {
  readonly #lanes: Busy[];
  readonly #waiting: ((lane: Busy) => void)[] = [];
  readonly #opening: Promise<unknown>;

  /** `reopen` opens the file on another channel; where that can't be done, it goes without. */
  constructor(
    first: Lane,
    others: readonly SftpChannel[],
    reopen: (channel: SftpChannel) => Promise<Buffer>,
  ) {
    this.#lanes = [{ ...first, chunks: 0 }];
    this.#opening = Promise.allSettled(
      others.map(async (channel) => {
        const lane: Busy = { channel, handle: await reopen(channel), chunks: 0 };
        this.#lanes.push(lane);
        while (this.#waiting.length > 0 && lane.chunks < chunksInWindow) this.#start(lane);
      }),
    );
  }

  /** Moves one chunk over the lane with the least to do, once one has room. */
  async move<T>(chunk: (lane: Lane) => Promise<T>): Promise<T> {
    const lane = await this.#take();
    try {
      return await chunk(lane);
    } finally {
      lane.chunks--;
      if (this.#waiting.length > 0) this.#start(lane);
    }
  }

  /** Closes all lanes but the first, which is its owner's. */
  async close(): Promise<void> {
    await this.#opening;
    const more = this.#lanes.slice(1);
    await Promise.all(more.map(({ channel, handle }) => channel.closeHandle(handle)));
  }

  #take(): Busy | Promise<Busy> {
    let least = this.#lanes[0] as Busy;
    for (const lane of this.#lanes) if (lane.chunks < least.chunks) least = lane;
    if (least.chunks >= chunksInWindow) return new Promise((go) => this.#waiting.push(go));
    least.chunks++;
    return least;
  }

  #start(lane: Busy): void {
    lane.chunks++;
    this.#waiting.shift()?.(lane);
  }
}
