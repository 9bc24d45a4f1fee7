/** Decides whether a slot that is due makes a run. */
import type { Trigger } from '../../core/events.js';
import type { Job } from '../../core/job.js';
import { type Pause, reasonOfPause } from '../../core/pause.js';
import type { SlotEnd } from '../../core/request.js';
import { isOpen, outsideWindow } from '../../core/window.js';
import type { RunQueue } from '../../queue/runs.js';
import type { DecideSlot } from '../../queue/slots.js';

export interface SlotParts {
  readonly runs: RunQueue;
  readonly jobNamed: (name: string) => Job | undefined;
  /** What keeps runs of a job from starting. */
  readonly pauseOf: (name: string) => Pause | undefined;
  readonly newRunId: () => string;
  /** Whether a report of the run exists, in case the queue no longer knows it. */
  readonly hasReport: (run: string) => Promise<boolean>;
}

/** A request is made again when the run in its way has just ended; after this many times that run counts as active. */
const mostTries = 10;

/**
 * A slot makes a run of its own unless there is a reason against it. It is skipped while the run of
 * an earlier slot is active, as a timer would do. While another run is active, the slot's run is kept
 * to follow it, since that run may have begun too early to see the slot's files.
 */
export function slotDecider(parts: SlotParts): DecideSlot {
  const { runs } = parts;
  return async (request, choose): Promise<SlotEnd> => {
    const skipped = (why: string) => ({ end: 'skipped', why }) as const;
    const job = parts.jobNamed(request.job);
    if (request.skip !== undefined) return skipped(request.skip);
    if (job === undefined) return skipped('the job is not in jobs.yml any more');
    if (job.window !== undefined && !isOpen(job, request.slot))
      return skipped(outsideWindow(job.window));
    const pause = parts.pauseOf(job.name);
    if (pause !== undefined) return skipped(reasonOfPause(pause));

    const run = request.run ?? parts.newRunId();
    if (request.run === undefined) await choose(run);
    else if ((await runs.find(run)) !== undefined || (await parts.hasReport(run)))
      return { end: 'ran', run };

    const trigger: Trigger = request.how === 'due' ? 'schedule' : 'catch-up';
    const wanted = { run, job: job.name, trigger, slot: new Date(request.slot).toISOString() };
    const { worker, retry } = job.starts;
    const rules = { worker, attempts: retry.attempts };
    const skippedFor = (waiting: string) =>
      skipped(`run ${waiting} was waiting already and does the same`);
    for (let tries = 0; ; tries++) {
      const { joined } = await runs.request(wanted, rules, 'drop');
      if (joined === undefined) return { end: 'ran', run };
      if (joined.state === 'waiting') return skippedFor(joined.run);
      const before = await runs.find(joined.run);
      // A run that has just ended is no longer in the way.
      if (before?.state !== 'active' && tries < mostTries) continue;
      if (before?.trigger === 'schedule' || before?.trigger === 'catch-up')
        return skipped(`run ${joined.run} of an earlier slot was still active`);
      const behind = (await runs.request(wanted, rules)).joined;
      return behind?.state === 'waiting' ? skippedFor(behind.run) : { end: 'ran', run };
    }
  };
}
