/** Warnings of schedules that never run their job. */
import type { Job } from '../core/job.js';
import { slotsAfter } from '../triggers/schedule/job-slots.js';

/** A sentence for each job with a schedule of which no slot lies in its window, in the five years after `now` (ms since the epoch). Pure. */
export function neverRuns(jobs: Iterable<Job>, now: number): string[] {
  const slotsOf = slotsAfter(now);
  return [...jobs].flatMap((job) => {
    if (job.window === undefined || slotsOf(job).slots?.length !== 0) return [];
    return [
      `job ${job.name} never runs by its schedule: no slot of the next five years lies in its window ${job.window.text}`,
    ];
  });
}
