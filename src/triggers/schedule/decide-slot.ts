/** What becomes of a slot that has come: a run, or a reason why not. */
import type { Trigger } from '../../core/events.js';
import type { Job } from '../../core/job.js';
import type { SlotEnd } from '../../core/request.js';
import type { RunQueue } from '../../queue/runs.js';
import type { DecideSlot } from '../../queue/slots.js';

export interface SlotParts {
  readonly runs: RunQueue;
  readonly jobNamed: (name: string) => Job | undefined;
  readonly isPaused: (name: string) => boolean;
  readonly newRunId: () => string;
  /** Whether a run has been recorded though the queue doesn't know it any more. */
  readonly hasReport: (run: string) => Promise<boolean>;
}

/** Times a slot is asked for anew because the run in its way had ended by then. */
const mostTries = 10;

/**
 * A slot makes a run of its own unless there is a reason against it. One that comes while the run
 * of an earlier slot goes on is skipped, as a timer's is; behind a run that something else started
 * it is kept, since that one may have begun too early to see what the slot is to carry over.
 */
export function slotDecider(parts: SlotParts): DecideSlot {
  const { runs } = parts;
  return async (request, choose): Promise<SlotEnd> => {
    const skipped = (why: string) => ({ end: 'skipped', why }) as const;
    const job = parts.jobNamed(request.job);
    if (request.skip !== undefined) return skipped(request.skip);
    if (job === undefined) return skipped('the job is not in jobs.yml any more');
    if (parts.isPaused(job.name)) return skipped('the job is paused');

    const run = request.run ?? parts.newRunId();
    if (request.run === undefined) await choose(run);
    else if ((await runs.find(run)) !== undefined || (await parts.hasReport(run)))
      return { end: 'ran', run };

    const trigger: Trigger = request.how === 'due' ? 'schedule' : 'catch-up';
    const asked = { run, job: job.name, trigger, slot: new Date(request.slot).toISOString() };
    const { worker, retry } = job.starts;
    const rules = { worker, attempts: retry.attempts };
    const waits = (other: string) => skipped(`run ${other} was waiting already, and does the same`);
    for (let tries = 0; ; tries++) {
      const { joined } = await runs.request(asked, rules, 'drop');
      if (joined === undefined) return { end: 'ran', run };
      if (joined.state === 'waiting') return waits(joined.run);
      const before = await runs.find(joined.run);
      // One that has ended in this moment is in nobody's way.
      if (before?.state !== 'active' && tries < mostTries) continue;
      if (before?.trigger === 'schedule' || before?.trigger === 'catch-up')
        return skipped(`run ${joined.run} of an earlier slot was still going on`);
      const behind = (await runs.request(asked, rules)).joined;
      return behind?.state === 'waiting' ? waits(behind.run) : { end: 'ran', run };
    }
  };
}
