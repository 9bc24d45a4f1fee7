/**
 * Notices that a store was emptied under its processes (FLUSHALL, a server without persistence that
 * started anew): an entry of ours is gone, or was made anew by a process that noticed it before. All
 * locks are gone with it, so no run may begin until whoever held one has noticed, too.
 */
import { randomUUID } from 'node:crypto';
import { Queue } from 'bullmq';
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
  /** Resolves to whether the store was emptied since the last look of this process. Errors: `network`. */
  look(): Promise<boolean>;
  /** Milliseconds until runs may begin; 0: they may. */
  quietMs(): number;
  close(): Promise<void>;
}

const entryId = 'mark';

/** Errors: `network`. */
export async function openStoreMark(
  store: Store,
  onError: (error: Error) => void,
): Promise<StoreMark> {
  // An embedded store has one process, which opens it anew when it had to be set aside.
  if (store.kind === 'embedded')
    return { look: async () => false, quietMs: () => 0, close: async () => {} };
  const mark = new SharedMark(store, onError);
  await mark.look();
  return mark;
}

class SharedMark implements StoreMark {
  readonly #store: Store;
  readonly #queue: Queue<Mark>;
  #generation: string | undefined;
  /** On this process's steady clock. */
  #quietUntil = 0;
  #looking: Promise<boolean> = Promise.resolve(false);

  constructor(store: Store, onError: (error: Error) => void) {
    this.#store = store;
    this.#queue = new Queue<Mark>(
      'ferryline-mark',
      { ...store.options(), ...keepEvents(10) },
      store.backend,
    );
    this.#queue.on('error', onError);
  }

  look(): Promise<boolean> {
    const look = () => this.#look();
    this.#looking = this.#looking.then(look, look);
    return this.#looking;
  }

  quietMs(): number {
    return Math.max(0, Math.ceil(this.#quietUntil - performance.now()));
  }

  async close(): Promise<void> {
    await this.#queue.close();
  }

  async #look(): Promise<boolean> {
    let entry = await answered(this.#queue.getJob(entryId));
    if (entry !== undefined && entry.data.generation === this.#generation) return false;
    const wasKnown = this.#generation !== undefined;
    const now = Math.round(await answered(this.#store.now()));
    if (entry === undefined) {
      const made = { generation: randomUUID(), ...(wasKnown && { quietUntil: now + lockMs }) };
      await answered(this.#queue.add('mark', made, { jobId: entryId }));
      entry = await answered(this.#queue.getJob(entryId));
      if (entry === undefined) return false;
    }
    let { generation, quietUntil } = entry.data;
    if (wasKnown && quietUntil === undefined) {
      // A process that came right after made it, and took the store for a new one.
      quietUntil = now + lockMs;
      await answered(entry.updateData({ generation, quietUntil }));
    }
    this.#generation = generation;
    if (quietUntil !== undefined)
      this.#quietUntil = Math.max(this.#quietUntil, performance.now() + quietUntil - now);
    return wasKnown;
  }
}
