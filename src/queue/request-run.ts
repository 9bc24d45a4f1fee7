/**
 * Puts a request for a run in its queue, where requests that ask for the same come together: a job
 * has at most one whole run that waits and one that is active. BullMQ deduplicates by the job's
 * name, and keeps a request made while a run is active until that run has ended. Runs limited to
 * folders have a deduplication id of their own.
 */
import type { Job as Entry, Queue } from 'bullmq';
import type { Report } from '../core/events.js';
import type { RunRequest } from '../core/request.js';
import { followerId } from '../core/run-id.js';
import { answered } from './answered.js';

/** What entries take from the job's definition. */
export interface RunRules {
  /** Only workers of this name may take the run; undefined: any worker. */
  readonly worker: string | undefined;
  /** Attempts in all. */
  readonly attempts: number;
}

/** The run that serves a request. */
export interface QueuedRun {
  readonly run: string;
  /**
   * The run that existed already. `waiting`: it serves this request too. `active`: the run that
   * serves this request follows it; a request that can't follow a run must be made again.
   */
  readonly joined?: { readonly run: string; readonly state: 'waiting' | 'active' };
}

/** Ended entries kept in a queue, for restarts and lists; the reports themselves are in the state folder. */
const endedKept = { count: 1000 };
/** A request is made again when a run began or ended meanwhile; after this many times it counts as joined. */
const mostTries = 10;

export async function requestRun(
  queue: Queue<RunRequest, Report>,
  request: RunRequest,
  attempts: number,
  whenActive: 'follow' | 'drop',
): Promise<QueuedRun> {
  const whole = request.folders === undefined;
  const id = whole ? request.job : `${request.job}.watch`;
  const follows = whole && whenActive === 'follow';
  for (let tries = 1; ; tries++) {
    const before = await activeUnder(queue, id);
    const since = before?.timestamp ?? 0;
    // All requests made while a run is active get the same follower id, so whichever one BullMQ keeps serves them all.
    const follower = follows && before !== undefined && followerId(before.id as string, since);
    const run = follower || request.run;
    const entry = await answered(
      queue.add(
        'run',
        { ...request, run },
        {
          jobId: run,
          attempts,
          backoff: { type: 'ferryline' },
          stackTraceLimit: 1,
          removeOnComplete: endedKept,
          removeOnFail: endedKept,
          deduplication: { id, keepLastIfActive: follows },
        },
      ),
    );
    const existing = entry.id ?? run;
    if (existing === request.run) return { run };
    if (existing === before?.id) return { run, joined: { run: existing, state: 'active' } };
    const state = await answered(queue.getJobState(existing));
    if (state === 'waiting' || state === 'delayed')
      return { run: existing, joined: { run: existing, state: 'waiting' } };
    // It began or ended during this request, so it may not have seen what the request is about.
    if (!follows || tries === mostTries) return { run, joined: { run: existing, state: 'active' } };
  }
}

/** The active run that a new one with this deduplication id would have to wait for. */
async function activeUnder(
  queue: Queue<RunRequest, Report>,
  id: string,
): Promise<Entry<RunRequest, Report> | undefined> {
  const run = await answered(queue.getDeduplicationJobId(id));
  if (run === null || run === undefined) return undefined;
  if ((await answered(queue.getJobState(run))) !== 'active') return undefined;
  return answered(queue.getJob(run));
}
