/** Decides whether a slot that is due makes a run. */
import type { Trigger } from '../../core/events.js';
import type { Job } from '../../core/job.js';
import { type Pause, reasonOfPause } from '../../core/pause.js';
import { present } from '../../core/present.js';
import type { RunRequest, SlotEnd } from '../../core/request.js';
import { slotRunId } from '../../core/run-id.js';
import { isOpen, outsideWindow } from '../../core/window.js';
import { serves, type UnfinishedRun } from '../../queue/request-run.js';
import type { RunQueue } from '../../queue/runs.js';
import type { DecideSlot } from '../../queue/slots.js';

export interface SlotParts {
  readonly runs: RunQueue;
  readonly jobNamed: (name: string) => Job | undefined;
  /** What keeps runs of a job from starting. */
  readonly pauseOf: (name: string) => Pause | undefined;
  /** Whether a report of the run exists, in case the queue no longer knows it. */
  readonly hasReport: (run: string) => Promise<boolean>;
  /** When the queue was emptied last, ms since the epoch: what ran before, on whichever worker, it does not know. */
  readonly emptiedAt: () => number | undefined;
}

/**
 * A slot makes a run of its own unless there is a reason against it. It is skipped while the run of
 * an earlier slot has not ended, as a timer would do. While another run is active, the slot's run
 * waits for its end, since that run may have begun too early to see the slot's files.
 */
export function slotDecider(parts: SlotParts): DecideSlot {
  const { runs } = parts;
  return async (request): Promise<SlotEnd> => {
    const job = parts.jobNamed(request.job);
    if (request.skip !== undefined) return skipped(request.skip, request.missed);
    // The same whoever decides, and however often: what has run already runs no second time.
    const run = slotRunId(request.job, request.slot, request.again);
    if ((await runs.find(run)) !== undefined || (await parts.hasReport(run)))
      return { end: 'ran', run };
    if (job === undefined) return skipped('the job is not in jobs.yml any more');
    if (job.window !== undefined && !isOpen(job, request.slot))
      return skipped(outsideWindow(job.window));
    const pause = parts.pauseOf(job.name);
    if (pause !== undefined) return skipped(reasonOfPause(pause));

    const trigger: Trigger = request.how === 'due' ? 'schedule' : 'catch-up';
    const slot = new Date(request.slot).toISOString();
    const mayHaveRun = request.slot <= (parts.emptiedAt() ?? Number.NEGATIVE_INFINITY);
    const marked = mayHaveRun ? ({ again: true } as const) : {};
    const wanted: RunRequest = { run, job: job.name, trigger, slot, ...marked };
    const { worker, retry, catchUp } = job.starts;
    const rules = { worker, attempts: retry.attempts };
    // The scheduler offers them one after another, each when the one before has ended.
    const each = trigger === 'catch-up' && catchUp.slots === 'all';
    const end = await runs.requestUnless(wanted, rules, (other) =>
      each && other.request.run !== run ? undefined : endBecauseOf(other, wanted),
    );
    return end ?? { end: 'ran', run };
  };
}

/** How a slot ends that an unfinished run of the job keeps from a run of its own. */
function endBecauseOf(other: UnfinishedRun, wanted: RunRequest): SlotEnd | undefined {
  const { run, slot } = other.request;
  if (run === wanted.run) return { end: 'ran', run };
  if (serves(other, wanted)) return skipped(`run ${run} was waiting already and does the same`);
  if (slot === undefined) return undefined;
  const what = other.state === 'active' ? 'was still active' : 'was still to be tried again';
  return skipped(`run ${run} of an earlier slot ${what}`, 1);
}

function skipped(why: string, missed?: number): SlotEnd {
  return { end: 'skipped', why, ...present({ missed }) };
}
