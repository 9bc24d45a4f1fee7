/** Decides whether a slot that is due makes a run. */
import type { Trigger } from '../../core/events.js';
import type { Job } from '../../core/job.js';
import { type Pause, reasonOfPause } from '../../core/pause.js';
import type { RunRequest, SlotEnd } from '../../core/request.js';
import { isOpen, outsideWindow } from '../../core/window.js';
import { serves, type UnfinishedRun } from '../../queue/request-run.js';
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

/**
 * A slot makes a run of its own unless there is a reason against it. It is skipped while the run of
 * an earlier slot has not ended, as a timer would do. While another run is active, the slot's run
 * waits for its end, since that run may have begun too early to see the slot's files.
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
    const slot = new Date(request.slot).toISOString();
    const wanted: RunRequest = { run, job: job.name, trigger, slot };
    const { worker, retry } = job.starts;
    const rules = { worker, attempts: retry.attempts };
    const inTheWay = await runs.requestUnless(wanted, rules, (other) =>
      reasonToSkip(other, wanted),
    );
    if (inTheWay === undefined || inTheWay === run) return { end: 'ran', run };
    return skipped(inTheWay);
  };
}

/** Why an unfinished run of the job keeps a slot from a run of its own. */
function reasonToSkip(other: UnfinishedRun, wanted: RunRequest): string | undefined {
  const { run, slot } = other.request;
  if (run === wanted.run) return run;
  if (serves(other, wanted)) return `run ${run} was waiting already and does the same`;
  if (slot === undefined) return undefined;
  return other.state === 'active'
    ? `run ${run} of an earlier slot was still active`
    : `run ${run} of an earlier slot was still to be tried again`;
}
