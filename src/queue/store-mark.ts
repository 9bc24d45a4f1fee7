/**
 * Notices that a store was emptied under its processes (FLUSHALL, a server without persistence that
 * started anew): an entry of ours is gone, or was made anew by a process that noticed it before. All
 * locks are gone with it, so no run may begin until whoever held one has noticed, too.
 */
import { randomUUID } from 'node:crypto';
import { Queue } from 'bullmq';
import { sharedLook } from '../core/at-once.js';
import { present } from '../core/present.js';
import { answered } from './answered.js';
import { lockMs } from './holds.js';
import { keepEvents, type Store } from './store/store.js';

interface Mark {
  /** New for each time that the store was found without it. */
  readonly generation: string;
  /** No run begins before, by the store's clock, ms since the epoch. Absent in a store that was new. */
  readonly quietUntil?: number;
}

export interface StoreMark {
  /** Resolves to whether the store was emptied since the last look of this process; of those who ask at the same time all hear it. Errors: `network`. */
  look(): Promise<boolean>;
  /** Milliseconds until runs may begin; 0: they may. */
  quietMs(): number;
  /** When the store was found emptied last, by its own clock, ms since the epoch; undefined: as far as is known, never. */
  emptiedAt(): number | undefined;
  close(): Promise<void>;
}

const entryId = 'mark';

/** `wasUsed`: this machine knows an installation that the store does not, so a store without a mark was emptied. Errors: `network`. */
export async function openStoreMark(
  store: Store,
  onError: (error: Error) => void,
  wasUsed: boolean,
): Promise<StoreMark> {
  // An embedded store has one process, which opens it anew when it had to be set aside.
  if (store.kind === 'embedded')
    return {
      look: async () => false,
      quietMs: () => 0,
      emptiedAt: () => undefined,
      close: async () => {},
    };
  const mark = new SharedMark(store, onError, wasUsed);
  await mark.look();
  return mark;
}

class SharedMark implements StoreMark {
  readonly #store: Store;
  readonly #queue: Queue<Mark>;
  readonly #wasUsed: boolean;
  #seen: Mark | undefined;
  /** On this process's steady clock. */
  #quietUntil = 0;
  /** Each answer is newer than its question. */
  readonly look = sharedLook(() => this.#look());

  constructor(store: Store, onError: (error: Error) => void, wasUsed: boolean) {
    this.#store = store;
    this.#wasUsed = wasUsed;
    this.#queue = new Queue<Mark>(
      this.#store.queueName('mark'),
      { ...store.options(), ...keepEvents(10) },
      store.backend,
    );
    this.#queue.on('error', onError);
  }

  quietMs(): number {
    return Math.max(0, Math.ceil(this.#quietUntil - performance.now()));
  }

  emptiedAt(): number | undefined {
    const quietUntil = this.#seen?.quietUntil;
    return quietUntil === undefined ? undefined : quietUntil - lockMs;
  }

  async close(): Promise<void> {
    await this.#queue.close();
  }

  async #look(): Promise<boolean> {
    let entry = await answered(this.#queue.getJob(entryId));
    const isKnown = entry !== undefined && entry.data.generation === this.#seen?.generation;
    if (isKnown && entry?.data.quietUntil === this.#seen?.quietUntil) return false;
    const wasKnown = this.#seen !== undefined;
    const now = Math.round(await answered(this.#store.now()));
    if (entry === undefined) {
      const isEmptied = wasKnown || this.#wasUsed;
      const made = { generation: randomUUID(), ...(isEmptied && { quietUntil: now + lockMs }) };
      await answered(this.#queue.add('mark', made, { jobId: entryId }));
      entry = await answered(this.#queue.getJob(entryId));
      if (entry === undefined) return false;
    }
    let { generation, quietUntil } = entry.data;
    if (wasKnown && !isKnown && quietUntil === undefined) {
      // A process that came right after made it, and took the store for a new one.
      quietUntil = now + lockMs;
      await answered(entry.updateData({ generation, quietUntil }));
    }
    this.#seen = { generation, ...present({ quietUntil }) };
    if (quietUntil !== undefined)
      this.#quietUntil = Math.max(this.#quietUntil, performance.now() + quietUntil - now);
    return wasKnown && !isKnown;
  }
}
