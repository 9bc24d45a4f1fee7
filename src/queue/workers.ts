/**
 * The processes of the daemons on a store, each an entry of the queue `ferryline-workers` that its
 * process writes anew every 15 s. The moments in it are the store's, so that no machine's clock
 * matters. One that is silent for 60 s is not known any more; whoever looks removes its entry.
 */
import { randomUUID } from 'node:crypto';
import { Queue } from 'bullmq';
import type { KnownWorker, WorkerPresence } from '../core/known-worker.js';
import { answered } from './answered.js';
import { keepEvents, type Store } from './store/store.js';

export interface Workers {
  /** This process's id among the known ones. */
  readonly id: string;
  /** Makes this process known from now on; `describe` is asked each time. Never rejects: an outage is reported elsewhere. */
  begin(describe: () => WorkerPresence): Promise<void>;
  /** Says at once what has changed of this process, once it has begun. Never rejects. */
  tell(): Promise<void>;
  /** The known processes, this one too, the oldest first. Errors: `network`. */
  known(): Promise<KnownWorker[]>;
  /** The ids of the other processes: of those known, and where the store was emptied, of those known before. Errors: `network`. */
  heardOf(): Promise<ReadonlySet<string>>;
  /** This process ends in order: it is not known any more. Never rejects. */
  close(): Promise<void>;
}

/** What an entry holds; `seen` is the store's time, ms since the epoch. */
type Entry = WorkerPresence & { readonly id: string; readonly seen: number };

const tellEveryMs = 15_000;
/** A process that is silent for so long is dead, or can't reach the store: its runs' locks have expired long before. */
export const unknownAfterMs = 60_000;

export function openWorkers(store: Store, onError: (error: Error) => void): Workers {
  return store.kind === 'embedded' ? oneProcess(store) : new SharedWorkers(store, onError);
}

/** An embedded store has one process, which needs no entry. */
function oneProcess(store: Store): Workers {
  const id = randomUUID();
  let describe: (() => WorkerPresence) | undefined;
  return {
    id,
    async begin(describing) {
      describe = describing;
    },
    async tell() {},
    known: async () =>
      describe === undefined ? [] : [viewOf({ id, ...describe(), seen: await store.now() })],
    heardOf: async () => new Set(),
    async close() {
      describe = undefined;
    },
  };
}

class SharedWorkers implements Workers {
  readonly id = randomUUID();
  readonly #store: Store;
  readonly #queue: Queue<Entry>;
  #describe: (() => WorkerPresence) | undefined;
  #timer: NodeJS.Timeout | undefined;
  #heardOf = new Set<string>();
  /** Entries are written one after another, so that an older one never replaces a newer one. */
  #telling: Promise<void> = Promise.resolve();

  constructor(store: Store, onError: (error: Error) => void) {
    this.#store = store;
    this.#queue = new Queue<Entry>(
      this.#store.queueName('workers'),
      { ...store.options(), ...keepEvents(10) },
      store.backend,
    );
    this.#queue.on('error', onError);
  }

  begin(describe: () => WorkerPresence): Promise<void> {
    this.#describe = describe;
    this.#timer = setInterval(() => void this.tell(), tellEveryMs);
    this.#timer.unref();
    return this.tell();
  }

  tell(): Promise<void> {
    this.#telling = this.#telling.then(() => this.#write()).catch(() => {});
    return this.#telling;
  }

  async known(): Promise<KnownWorker[]> {
    const entries = await answered(this.#queue.getJobs(['waiting']));
    const now = await answered(this.#store.now());
    const known: Entry[] = [];
    for (const entry of entries) {
      if (entry === undefined) continue;
      // One of the future was written before the store's clock was set back.
      if (Math.abs(now - entry.data.seen) < unknownAfterMs) known.push(entry.data);
      // A process that only was out of reach adds its entry again.
      else await answered(entry.remove()).catch(() => {});
    }
    return known.map(viewOf).sort((a, b) => (a.startedAt < b.startedAt ? -1 : 1));
  }

  async heardOf(): Promise<ReadonlySet<string>> {
    for (const id of await this.#others()) this.#heardOf.add(id);
    return this.#heardOf;
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#describe = undefined;
    await this.#telling;
    await answered(this.#queue.remove(this.id)).catch(() => {});
    await this.#queue.close();
  }

  async #write(): Promise<void> {
    if (this.#describe === undefined) return;
    const seen = await answered(this.#store.now());
    const data: Entry = { id: this.id, ...this.#describe(), seen };
    const entry = await answered(this.#queue.getJob(this.id));
    if (entry === undefined) await answered(this.#queue.add('worker', data, { jobId: this.id }));
    else await answered(entry.updateData(data));
    // Where our own entry was gone, those of the others may be, too.
    if (entry === undefined) await this.heardOf();
    else this.#heardOf = new Set(await this.#others());
  }

  async #others(): Promise<string[]> {
    return (await this.known()).map(({ id }) => id).filter((id) => id !== this.id);
  }
}

function viewOf({ seen, ...presence }: Entry): KnownWorker {
  return { ...presence, seenAt: new Date(seen).toISOString() };
}
