/**
 * Puts a request for a run in its queue, as an entry of its own: no entry has a deduplication id,
 * which a request sent twice after a broken connection would tie to a run that has ended. Requests
 * come together by looking: one that needs no run of its own joins a run of its job that covers it
 * and has not begun. Two processes that look at the same moment may make two runs.
 */
import type { Job as Entry, Queue } from 'bullmq';
import type { Report } from '../core/events.js';
import { isFromNewer, payloadVersion, plannedVersion } from '../core/payload.js';
import type { RunRequest } from '../core/request.js';
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
  /** Whether it was in the queue already. */
  readonly joined: boolean;
}

/** A run that has not ended. */
export interface UnfinishedRun {
  readonly request: RunRequest;
  readonly state: 'waiting' | 'delayed' | 'active';
  /** Whether a worker has begun it: an attempt may have looked at files that changed since. */
  readonly began: boolean;
}

/** Ended entries kept in a queue, for restarts and lists; the reports themselves are in the state folder. */
const endedKept = { count: 1000 };

export async function addRun(
  queue: Queue<RunRequest, Report>,
  request: RunRequest,
  attempts: number,
): Promise<void> {
  await answered(
    queue.add(
      'run',
      { v: isPlanned(request) ? plannedVersion : payloadVersion, ...request },
      {
        jobId: request.run,
        attempts,
        backoff: { type: 'ferryline' },
        stackTraceLimit: 1,
        removeOnComplete: endedKept,
        removeOnFail: endedKept,
      },
    ),
  );
}

/** The run of an entry, unless it has ended. Errors: `network`. */
export async function unfinishedRun(
  entry: Entry<RunRequest, Report>,
): Promise<UnfinishedRun | undefined> {
  if (entry.finishedOn !== undefined) return undefined;
  const state = await answered(entry.getState());
  if (state !== 'waiting' && state !== 'delayed' && state !== 'active') return undefined;
  const began =
    state === 'active' ||
    entry.attemptsMade > 0 ||
    entry.stalledCounter > 0 ||
    entry.data.began === true;
  return { request: entry.data, state, began };
}

/** Whether it only plans, or carries out one plan alone. */
function isPlanned({ dryRun, approves }: RunRequest): boolean {
  return dryRun === true || approves !== undefined;
}

/** Whether an unfinished run will do what a request asks for. */
export function serves({ request, began }: UnfinishedRun, wanted: RunRequest): boolean {
  // What a newer build asks for may be something else.
  if (began || request.cancelled === true || isFromNewer(request)) return false;
  if (isPlanned(request)) return false;
  if (request.folders === undefined) return true;
  const { folders } = request;
  return wanted.folders?.every((folder) => folders.includes(folder)) ?? false;
}
