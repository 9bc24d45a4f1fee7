/**
 * Fetches entries of one queue when asked to, without BullMQ's own loop: nothing blocks, so that all
 * queues of a process share one connection (Redis) or the pool (Postgres). Whoever fetches is woken
 * by a signal, and looks from time to time, since entries become due only by being looked for.
 */
import { randomUUID } from 'node:crypto';
import { Job as Entry, Worker } from 'bullmq';
import {
  currentMoment,
  type Hold,
  keepHold,
  lockMs,
  type Moment,
  stalledCheckMs,
} from './holds.js';
import type { Store } from './store/store.js';

/** An entry that this process has taken. */
export interface Taken<Data, Result> {
  readonly entry: Entry<Data, Result>;
  /** Proves to the store that the entry is ours. */
  readonly token: string;
  /** From when its lock certainly lasts. */
  readonly since: Moment;
}

/** Nothing to take now: the next entry that waits for a moment comes at `dueAt` (ms since the epoch), if there is one. */
export interface NothingYet {
  readonly entry?: undefined;
  readonly dueAt: number | undefined;
}

export interface FetcherOptions {
  /** How often the holder of an entry may die before the entry fails. */
  readonly mostDeaths: number;
  /** Milliseconds until an attempt that ended with this error is made again. */
  readonly backoff?: (error: Error) => number;
  readonly onError: (error: Error) => void;
}

export class Fetcher<Data = unknown, Result = unknown> {
  readonly #worker: Worker<Data, Result>;
  readonly #store: Store;

  constructor(store: Store, name: string, { mostDeaths, backoff, onError }: FetcherOptions) {
    this.#store = store;
    this.#worker = new Worker<Data, Result>(
      name,
      null,
      {
        ...store.options(),
        autorun: false,
        lockDuration: lockMs,
        // BullMQ leaves out a search that comes sooner after the one before: ours must never count as such.
        stalledInterval: stalledCheckMs - 500,
        maxStalledCount: mostDeaths,
        settings: { backoffStrategy: (_attempts, _type, error) => backoff?.(error as Error) ?? 0 },
      },
      withoutBlocking(store),
    );
    this.#worker.on('error', onError);
  }

  /** Takes the next entry, if one waits. Rejects while the store is out of reach. */
  async fetch(): Promise<Taken<Data, Result> | NothingYet> {
    const token = randomUUID();
    let since = currentMoment();
    const [data, id, , dueAt] = await this.#worker.getBackend().moveToActive(token);
    if (!data) return { dueAt: (dueAt ?? 0) > 0 ? dueAt : undefined };
    const entry: Entry<Data, Result> = Entry.fromJSON(this.#worker, data, id);
    // The answer came late, after an outage or a suspend: is it still ours?
    if (currentMoment().steady - since.steady > lockMs / 3) {
      since = currentMoment();
      if (!(await this.#extend(entry.id as string, token))) return { dueAt: undefined };
    }
    return { entry, token, since };
  }

  /** Keeps what was taken until it is dropped; `lostReason` makes the error of one that was taken over. */
  hold({ entry, token, since }: Taken<Data, Result>, lostReason: () => Error): Hold {
    return keepHold(since, () => this.#extend(entry.id as string, token), lostReason);
  }

  /** Adds entries; those whose id exists stay as they are. */
  async add(entries: { name: string; data: Data; opts: { jobId: string } }[]): Promise<void> {
    const backend = this.#worker.getBackend();
    // As a queue does by itself: BullMQ would keep 10,000 events of each permit.
    await backend.setQueueMeta({ 'opts.maxLenEvents': 10 });
    await Entry.createBulk(this.#worker, entries);
  }

  /** Makes entries whose holder has died wait again; resolves to their number. It takes two calls, at least 5 s apart. */
  async returnStalled(): Promise<number> {
    return (await returnStalled(this.#store, this.#worker)).length;
  }

  close(): Promise<void> {
    return this.#worker.close();
  }

  async #extend(id: string, token: string): Promise<boolean> {
    return (await this.#worker.extendJobLocks([id], [token], lockMs)).length === 0;
  }
}

/** The one place where entries are taken from holders whose locks have expired. */
async function returnStalled(_store: Store, worker: Worker): Promise<string[]> {
  return worker.getBackend().moveStalledJobsToWait();
}

/** The store's backend on its shared connection: BullMQ would give each worker one of its own to block on. */
// biome-ignore lint/suspicious/noExplicitAny: as Store has it
function withoutBlocking({ backend }: Store): any {
  // biome-ignore lint/suspicious/noExplicitAny: as Store has it
  return (name: string, options: any) => backend(name, options);
}
