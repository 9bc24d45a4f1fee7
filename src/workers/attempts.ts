/** Whether and when a run is worth another attempt. The queue, or `--attempts` of `ferryline run`, makes it. */
import type { ErrorKind } from '../core/errors.js';
import type { Report, TargetEnd } from '../core/events.js';
import type { Job } from '../core/job.js';

/** Errors that another attempt cannot change: somebody has to act first. */
const finalKinds: ReadonlySet<ErrorKind> = new Set<ErrorKind>([
  'auth',
  'host-key',
  'config',
  'refused',
  'hostile-peer',
  'defect',
]);

/** Whether another attempt may end better. */
export function worthAnotherAttempt(report: Report): boolean {
  if (report.outcome === 'cancelled' || isOver(report)) return false;
  return report.targets?.some(mayEndBetter) ?? mayEndBetter(report);
}

/** Whether hooks have followed the run: they have been told that it has ended. */
export function isOver({ hooks = [] }: Report): boolean {
  return hooks.some(({ hook }) => hook !== 'before');
}

function mayEndBetter(report: Report | TargetEnd): boolean {
  if (report.outcome !== 'failed' && report.outcome !== 'incomplete') return false;
  return report.error === undefined || !finalKinds.has(report.error.kind);
}

/** Milliseconds to wait after attempt number `attempt` (1, 2, …): doubled each time, up to the job's limit. */
export function backoffAfter(attempt: number, retry: Job['starts']['retry']): number {
  return Math.min(retry.backoff * 2 ** (attempt - 1), retry.maxBackoff);
}
