/**
 * The requested runs, as entries of BullMQ queues: one entry for each run, whose payload is the
 * request and whose return value is the report.
 *
 *     ferryline-runs         runs that any worker takes
 *     ferryline-runs-NAME    runs that only workers called NAME take
 *
 * How a request becomes an entry, or joins one, is in request-run.ts.
 */
import { type Job as Entry, Queue, QueueEvents } from 'bullmq';
import type { Report } from '../core/events.js';
import { present } from '../core/present.js';
import type { RunRequest, RunView } from '../core/request.js';
import { answered } from './answered.js';
import { type QueuedRun, type RunRules, requestRun } from './request-run.js';
import { keepEvents, type Store } from './store/store.js';

export interface RunQueue {
  /**
   * Puts a request in the queue; resolves when it is stored. While a whole run of the job is active,
   * one more whole run is kept to follow it, unless `whenActive` is `drop`. A run limited to folders
   * is never kept: `joined` says that it must be requested again. Errors: `network`.
   */
  request(request: RunRequest, rules: RunRules, whenActive?: 'follow' | 'drop'): Promise<QueuedRun>;
  /** A run that is in the queue: waiting, active, or ended not long ago. */
  find(run: string): Promise<RunView | undefined>;
  /** The waiting and active runs, and the newest ended ones: at most `ended` of each queue. */
  list(ended: number): Promise<RunView[]>;
  /** Marks a run as cancelled, so that the next worker that takes it does not begin it. */
  markCancelled(run: string): Promise<void>;
  /** Ends the wait of these jobs' runs for a moment, or for another attempt. */
  wake(jobs: ReadonlySet<string>): Promise<void>;
  /** Removes a run that has not begun; false when it has, or does not exist. */
  remove(run: string): Promise<boolean>;
  /** Includes the queues of workers of these names from now on. */
  watchWorkers(names: Iterable<string>): void;
  /** Calls `listener` with the id of each run that has ended, in whichever process. */
  onEnded(listener: (run: string) => void): void;
  close(): Promise<void>;
}

export function runsQueueName(worker: string | undefined): string {
  return worker === undefined ? 'ferryline-runs' : `ferryline-runs-${worker}`;
}

export function openRunQueue(store: Store, onError: (error: Error) => void): RunQueue {
  const queues = new RunQueues(store, onError);
  return {
    async request(request, rules, whenActive = 'follow') {
      return requestRun(queues.open(rules.worker), request, rules.attempts, whenActive);
    },

    async find(run) {
      const entry = await queues.find(run);
      if (entry === undefined) return undefined;
      // An ended run stays ended: no second question to the store.
      const ended = entry.finishedOn !== undefined;
      return viewOf(entry, ended ? 'completed' : await answered(entry.getState()));
    },

    async list(ended) {
      const views: RunView[] = [];
      for (const queue of queues.all()) {
        // Active ones are read twice, since a run may become active between the readings.
        const unfinished = new Map<string, RunView>();
        for (const state of ['active', 'waiting', 'delayed', 'active'] as const) {
          for (const entry of await answered(queue.getJobs([state])))
            if (entry !== undefined) unfinished.set(entry.data.run, viewOf(entry, state));
        }
        views.push(...unfinished.values());
        if (ended === 0) continue;
        for (const entry of await answered(queue.getJobs(['completed', 'failed'], 0, ended - 1)))
          if (entry !== undefined) views.push(viewOf(entry, 'completed'));
      }
      return views;
    },

    async markCancelled(run) {
      const entry = await queues.find(run);
      if (entry !== undefined) await answered(entry.updateData({ ...entry.data, cancelled: true }));
    },

    async wake(jobs) {
      for (const queue of queues.all())
        for (const entry of await answered(queue.getJobs(['delayed'])))
          if (entry !== undefined && jobs.has(entry.data.job))
            await answered(entry.promote()).catch(async (error) => {
              // Another process may just have done it.
              if ((await answered(entry.getState())) === 'delayed') throw error;
            });
    },

    async remove(run) {
      const entry = await queues.find(run);
      if (entry === undefined) return false;
      const state = await answered(entry.getState());
      if (state !== 'waiting' && state !== 'delayed') return false;
      try {
        await answered(entry.remove());
        return true;
      } catch (error) {
        // A worker may just have taken it.
        if ((await answered(entry.getState())) === 'active') return false;
        throw error;
      }
    },

    watchWorkers(names) {
      for (const name of names) queues.open(name);
    },
    onEnded: (listener) => queues.onEnded(listener),
    close: () => queues.close(),
  };
}

/** The opened queues of runs, each with a listener for the runs that end. */
class RunQueues {
  readonly #store: Store;
  readonly #onError: (error: Error) => void;
  readonly #opened = new Map<string, { queue: Queue<RunRequest, Report>; events: QueueEvents }>();
  readonly #endListeners = new Set<(run: string) => void>();

  constructor(store: Store, onError: (error: Error) => void) {
    this.#store = store;
    this.#onError = onError;
    this.open(undefined);
  }

  /** The queue of the workers of that name. */
  open(worker: string | undefined): Queue<RunRequest, Report> {
    const name = runsQueueName(worker);
    const known = this.#opened.get(name);
    if (known !== undefined) return known.queue;
    const queue = new Queue<RunRequest, Report>(
      name,
      { ...this.#store.options(), ...keepEvents(2000) },
      this.#store.backend,
    );
    const events = new QueueEvents(name, this.#store.options(true), this.#store.backend);
    queue.on('error', this.#onError);
    events.on('error', this.#onError);
    const ended = ({ jobId }: { jobId: string }) => {
      for (const listener of this.#endListeners) listener(jobId);
    };
    events.on('completed', ended);
    events.on('failed', ended);
    this.#opened.set(name, { queue, events });
    return queue;
  }

  *all(): Generator<Queue<RunRequest, Report>> {
    for (const { queue } of this.#opened.values()) yield queue;
  }

  async find(run: string): Promise<Entry<RunRequest, Report> | undefined> {
    for (const queue of this.all()) {
      const entry = await answered(queue.getJob(run));
      if (entry !== undefined) return entry;
    }
    return undefined;
  }

  onEnded(listener: (run: string) => void): void {
    this.#endListeners.add(listener);
  }

  async close(): Promise<void> {
    await Promise.allSettled(
      [...this.#opened.values()].flatMap(({ queue, events }) => [events.close(), queue.close()]),
    );
  }
}

function viewOf(entry: Entry<RunRequest, Report>, state: string): RunView {
  const { run, job, trigger, slot } = entry.data;
  const report = entry.returnvalue ?? undefined;
  const unfinished = state === 'active' || state === 'waiting' || state === 'delayed';
  return {
    run,
    job,
    trigger,
    ...present({ slot }),
    state: unfinished ? state : 'ended',
    ...(unfinished || report === undefined ? {} : { outcome: report.outcome, report }),
  };
}
