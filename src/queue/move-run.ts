/**
 * Moves a run that waits to the queue of other workers. It is added there before it is removed here,
 * so it is never in neither. A process that dies between the two leaves it in both: the second entry
 * says where the first one is, and is not begun while that one is there.
 */
import type { Report } from '../core/events.js';
import { isFromNewer } from '../core/payload.js';
import { present } from '../core/present.js';
import type { RunRequest } from '../core/request.js';
import { answered } from './answered.js';
import { addRun, unfinishedRun } from './request-run.js';
import type { RunQueues } from './run-queues.js';
import type { Place } from './unfinished.js';

/** Resolves to whether it is in the other queue; it is not when it has begun, ended or was moved by another process. Errors: `network`. */
export async function moveRun(
  queues: RunQueues,
  { run, worker: from }: Place,
  to: string | undefined,
): Promise<boolean> {
  const here = queues.open(from).queue;
  const entry = await answered(here.getJob(run));
  const found = entry && (await unfinishedRun(entry));
  if (entry === undefined || found === undefined || found.state === 'active') return false;
  if (isFromNewer(found.request)) return false;
  const there = (await queues.openForRequests(to)).queue;
  const request = { ...found.request, movedFrom: present({ worker: from }) };
  const attemptsLeft = Math.max(1, (entry.opts.attempts ?? 1) - entry.attemptsMade);
  await addRun(there, request, attemptsLeft);
  try {
    await answered(entry.remove());
  } catch (error) {
    if ((await answered(here.getJobState(run))) !== 'active') throw error;
    // A worker has just taken it; the other entry goes, unless it was taken, too: then that one waits.
    await (await answered(there.getJob(run)))?.remove().catch(() => {});
    return false;
  }
  return true;
}

/** What became of the first entry of a moved run: the second one begins only when it is gone. One that waits is removed. Errors: `network`. */
export async function firstEntryOf(
  queues: RunQueues,
  { run, movedFrom }: RunRequest,
): Promise<'gone' | 'unfinished' | { readonly report: Report }> {
  if (movedFrom === undefined) return 'gone';
  const entry = await answered(queues.open(movedFrom.worker).queue.getJob(run));
  if (entry === undefined) return 'gone';
  const found = await unfinishedRun(entry);
  if (found === undefined) return entry.returnvalue ? { report: entry.returnvalue } : 'gone';
  if (found.state === 'active') return 'unfinished';
  return await answered(entry.remove()).then(
    () => 'gone' as const,
    () => 'unfinished' as const,
  );
}
