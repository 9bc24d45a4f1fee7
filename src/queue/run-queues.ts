/** The queues that hold runs: one that any worker takes from, and one for each name that a job asks for. */
import { type Job as Entry, Queue } from 'bullmq';
import type { Report } from '../core/events.js';
import type { RunRequest } from '../core/request.js';
import { answered } from './answered.js';
import { keepEvents, type Store } from './store/store.js';

export type RunEntry = Entry<RunRequest, Report>;

export function runsQueueName(store: Store, worker: string | undefined): string {
  return store.queueName(worker === undefined ? 'runs' : `runs-${worker}`);
}

/** A queue of runs, opened. */
export interface OpenedQueue {
  readonly worker: string | undefined;
  readonly queue: Queue<RunRequest, Report>;
}

export class RunQueues {
  readonly #store: Store;
  readonly #onError: (error: Error) => void;
  readonly #opened = new Map<string | undefined, OpenedQueue>();
  /** The names that runs were requested for, in the store: no jobs.yml need have them any more. */
  readonly #names: Queue<{ worker: string }>;
  /** Names that this process has put there. */
  readonly #recorded = new Set<string>();

  constructor(store: Store, onError: (error: Error) => void) {
    this.#store = store;
    this.#onError = onError;
    this.#names = new Queue<{ worker: string }>(
      this.#store.queueName('runs-names'),
      { ...store.options(), ...keepEvents(10) },
      store.backend,
    );
    this.#names.on('error', onError);
    this.open(undefined);
  }

  /** The queue of the workers of that name. */
  open(worker: string | undefined): OpenedQueue {
    const known = this.#opened.get(worker);
    if (known !== undefined) return known;
    const queue = new Queue<RunRequest, Report>(
      runsQueueName(this.#store, worker),
      { ...this.#store.options(), ...keepEvents(10) },
      this.#store.backend,
    );
    queue.on('error', this.#onError);
    const opened = { worker, queue };
    this.#opened.set(worker, opened);
    return opened;
  }

  isOpen(worker: string | undefined): boolean {
    return this.#opened.has(worker);
  }

  /** Opens the queue of a name, and lets every process of later know that it exists. Errors: `network`. */
  async openForRequests(worker: string | undefined): Promise<OpenedQueue> {
    if (worker !== undefined && !this.#recorded.has(worker)) {
      await answered(this.#names.add('name', { worker }, { jobId: `name-${worker}` }));
      this.#recorded.add(worker);
    }
    return this.open(worker);
  }

  /** Opens the queues of all names that the store knows. Errors: `network`. */
  async openKnown(): Promise<void> {
    // A store that was emptied has lost them: they are recorded again with the next request.
    this.#recorded.clear();
    for (const entry of await answered(this.#names.getJobs(['waiting'])))
      if (entry !== undefined) this.open(entry.data.worker);
  }

  all(): readonly OpenedQueue[] {
    return [...this.#opened.values()];
  }

  async close(): Promise<void> {
    const queues = [...this.all().map(({ queue }) => queue), this.#names];
    await Promise.allSettled(queues.map((queue) => queue.close()));
  }
}
