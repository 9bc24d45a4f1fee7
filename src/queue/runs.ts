/**
 * The runs that were asked for, as entries of BullMQ queues: one entry a run, its payload the
 * request, its return value the report.
 *
 *     ferryline-runs         runs that any worker takes
 *     ferryline-runs-NAME    runs that only workers called NAME take
 *
 * A job has at most one whole run that waits and one that is active: BullMQ deduplicates by the
 * job's name, and a request made while a run is active is kept until that one has ended. Runs
 * limited to folders have a deduplication id of their own.
 */
import { type Job as Entry, Queue, QueueEvents } from 'bullmq';
import { FerryError } from '../core/errors.js';
import type { Report } from '../core/events.js';
import type { RunRequest, RunView } from '../core/request.js';
import { followerId } from '../core/run-id.js';
import { keepEvents, type Store } from './store/store.js';

/** What of a job's definition its entries need. */
interface RunRules {
  /** The name of the workers that alone may take it. */
  readonly worker: string | undefined;
  /** Attempts in all. */
  readonly attempts: number;
}

/** What became of a request. */
export interface Asked {
  /** The run that serves it. */
  readonly run: string;
  /**
   * The run that was there already: `waiting`, it serves this request too; `active`, the one that
   * serves it follows it, or, where none may, it must be asked for again.
   */
  readonly joined?: { readonly run: string; readonly state: 'waiting' | 'active' };
}

export interface RunQueue {
  /**
   * Puts a request in the queue and resolves when it is safe there. While a whole run of the job is
   * active, another whole one is kept to follow it, unless `whenActive` is `drop`; one limited to
   * folders is never kept: `joined` tells that it must be asked for again. Errors: `network`.
   */
  request(request: RunRequest, rules: RunRules, whenActive?: 'follow' | 'drop'): Promise<Asked>;
  /** A run that is in the queue: waiting, active, or ended not long ago. */
  find(run: string): Promise<RunView | undefined>;
  /** What waits, is active, and the newest that have ended, at most `ended` of a queue. */
  list(ended: number): Promise<RunView[]>;
  /** Keeps with a run that it is to stop, so that whoever takes it next does not begin it. */
  markCancelled(run: string): Promise<void>;
  /** Takes a run out that has not begun; false when it has, or is not there. */
  remove(run: string): Promise<boolean>;
  /** Workers' names whose queues are looked at, too. */
  watchWorkers(names: Iterable<string>): void;
  /** Calls back with the id of each run that has ended, wherever it was carried out. */
  onEnded(listener: (run: string) => void): void;
  close(): Promise<void>;
}

/** Ended entries kept in a queue: what `outcome` and a restart look at; the reports themselves are in the state folder. */
const kept = { count: 1000 };
/** Times a request is made anew because runs began and ended while it was made. */
const mostTries = 10;
/** Milliseconds in which a store must have answered. */
const patience = 10_000;

export function queueName(worker: string | undefined): string {
  return worker === undefined ? 'ferryline-runs' : `ferryline-runs-${worker}`;
}

export function openRunQueue(store: Store, onError: (error: Error) => void): RunQueue {
  const queues = new Map<string, { queue: Queue<RunRequest, Report>; events: QueueEvents }>();
  const listeners = new Set<(run: string) => void>();

  const openOne = (name: string) => {
    let opened = queues.get(name);
    if (opened !== undefined) return opened;
    const queue = new Queue<RunRequest, Report>(
      name,
      { ...store.options(), ...keepEvents(2000) },
      store.backend,
    );
    const events = new QueueEvents(name, store.options(true), store.backend);
    queue.on('error', onError);
    events.on('error', onError);
    const ended = ({ jobId }: { jobId: string }) => {
      for (const listener of listeners) listener(jobId);
    };
    events.on('completed', ended);
    events.on('failed', ended);
    opened = { queue, events };
    queues.set(name, opened);
    return opened;
  };
  openOne(queueName(undefined));

  const findEntry = async (run: string): Promise<Entry<RunRequest, Report> | undefined> => {
    for (const { queue } of queues.values()) {
      const entry = await answered(queue.getJob(run));
      if (entry !== undefined) return entry;
    }
    return undefined;
  };

  /** The run that a new one under this deduplication id would have to wait for. */
  const activeUnder = async (queue: Queue<RunRequest, Report>, id: string) => {
    const run = await answered(queue.getDeduplicationJobId(id));
    if (run === null || run === undefined) return undefined;
    if ((await answered(queue.getJobState(run))) !== 'active') return undefined;
    return answered(queue.getJob(run));
  };

  return {
    async request(request, rules, whenActive = 'follow') {
      const { queue } = openOne(queueName(rules.worker));
      const whole = request.folders === undefined;
      const id = whole ? request.job : `${request.job}.watch`;
      const follows = whole && whenActive === 'follow';
      for (let tries = 1; ; tries++) {
        const before = await activeUnder(queue, id);
        const since = before?.timestamp ?? 0;
        // All that ask for the run behind an active one give it the same id: the last one is kept, and is the first's, too.
        const follower = follows && before !== undefined && followerId(before.id as string, since);
        const run = follower || request.run;
        const entry = await answered(
          queue.add(
            'run',
            { ...request, run },
            {
              jobId: run,
              attempts: rules.attempts,
              backoff: { type: 'ferryline' },
              stackTraceLimit: 1,
              removeOnComplete: kept,
              removeOnFail: kept,
              deduplication: { id, keepLastIfActive: follows },
            },
          ),
        );
        const there = entry.id ?? run;
        if (there === request.run) return { run };
        if (there === before?.id) return { run, joined: { run: there, state: 'active' } };
        const now = await answered(queue.getJobState(there));
        if (now === 'waiting' || now === 'delayed')
          return { run: there, joined: { run: there, state: 'waiting' } };
        // What was there began, or ended, while it was asked: whether it saw this request's cause nobody knows.
        if (!follows || tries === mostTries)
          return { run, joined: { run: there, state: 'active' } };
      }
    },

    async find(run) {
      const entry = await findEntry(run);
      if (entry === undefined) return undefined;
      // What has ended stays so: the store need not be asked a second time.
      const ended = entry.finishedOn !== undefined;
      return viewOf(entry, ended ? 'completed' : await answered(entry.getState()));
    },

    async list(ended) {
      const views: RunView[] = [];
      for (const { queue } of queues.values()) {
        // Active ones again at the end: one that moved on meanwhile would be missed.
        const going = new Map<string, RunView>();
        for (const state of ['active', 'waiting', 'delayed', 'active'] as const) {
          for (const entry of await answered(queue.getJobs([state])))
            if (entry !== undefined) going.set(entry.data.run, viewOf(entry, state));
        }
        views.push(...going.values());
        if (ended === 0) continue;
        for (const entry of await answered(queue.getJobs(['completed', 'failed'], 0, ended - 1)))
          if (entry !== undefined) views.push(viewOf(entry, 'completed'));
      }
      return views;
    },

    async markCancelled(run) {
      const entry = await findEntry(run);
      if (entry !== undefined) await answered(entry.updateData({ ...entry.data, cancelled: true }));
    },

    async remove(run) {
      const entry = await findEntry(run);
      if (entry === undefined) return false;
      const state = await answered(entry.getState());
      if (state !== 'waiting' && state !== 'delayed') return false;
      try {
        await answered(entry.remove());
        return true;
      } catch (error) {
        // A worker has taken it in this very moment.
        if ((await answered(entry.getState())) === 'active') return false;
        throw error;
      }
    },

    watchWorkers(names) {
      for (const name of names) openOne(queueName(name));
    },

    onEnded(listener) {
      listeners.add(listener);
    },

    async close() {
      await Promise.allSettled(
        [...queues.values()].flatMap(({ queue, events }) => [events.close(), queue.close()]),
      );
    },
  };
}

function viewOf(entry: Entry<RunRequest, Report>, state: string): RunView {
  const { run, job, trigger, slot } = entry.data;
  const report = entry.returnvalue ?? undefined;
  const going = state === 'active' || state === 'waiting' || state === 'delayed';
  return {
    run,
    job,
    trigger,
    ...(slot === undefined ? {} : { slot }),
    state: going ? state : 'ended',
    ...(going || report === undefined ? {} : { outcome: report.outcome, report }),
  };
}

/** A store's answer, or a `network` error: its clients wait for a lost connection as long as it takes, people don't. */
export async function answered<T>(answer: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(unanswered(`no answer within ${patience / 1000} s`)), patience);
  });
  try {
    return await Promise.race([answer, late]);
  } catch (error) {
    throw error instanceof FerryError ? error : unanswered((error as Error).message, error);
  } finally {
    clearTimeout(timer);
  }
}

function unanswered(why: string, cause?: unknown): FerryError {
  return new FerryError('network', `the queue did not take or answer a request: ${why}`, {
    cause,
    hint: 'check the server that `queue` in jobs.yml names',
  });
}
