/** Makes the reports of runs, and derives how a run ends from its error. state/reports.ts keeps them. */
import { asFerryError, Cancelled, exitCodes } from '../../core/errors.js';
import type { Report, Trigger } from '../../core/events.js';
import type { Job } from '../../core/job.js';
import { present } from '../../core/present.js';
import type { RunRequest } from '../../core/request.js';
import type { Tally } from './tally.js';

/** What a report repeats of the run's request. */
interface RunFacts {
  readonly run: string;
  readonly trigger: Trigger;
  readonly slot?: string;
  readonly worker?: string;
  readonly attempt: number;
}

/** The report of a run that began; `thrown` is the error that ended it, if any. */
export function reportOfRun(
  job: Job,
  { run, trigger, slot, worker, attempt }: RunFacts,
  tally: Tally,
  end: { readonly started: Date; readonly sessions: number; readonly thrown: unknown },
): Report {
  const ended = new Date();
  return {
    run,
    job: job.name,
    ...present({ description: job.description }),
    operation: job.operation,
    trigger,
    ...present({ slot, worker }),
    ...(end.thrown === undefined ? endOfTally(tally) : endOf(end.thrown)),
    startedAt: end.started.toISOString(),
    endedAt: ended.toISOString(),
    seconds: (ended.getTime() - end.started.getTime()) / 1000,
    files: {
      copied: tally.copied,
      attrs: tally.attrs,
      deleted: tally.deleted,
      unchanged: tally.unchanged,
      skipped: tally.skipped,
      vanished: tally.vanished,
      failed: tally.failed,
    },
    bytes: tally.bytes,
    sessions: end.sessions,
    attempt,
    verified: tally.verified ?? job.verify,
    ...(tally.notGuaranteed.size === 0 ? {} : { notGuaranteed: [...tally.notGuaranteed].sort() }),
    failures: tally.failures,
    failuresOmitted: tally.failed - tally.failures.length,
  };
}

/** The report of a run that could not begin, for example because its job was busy or it was cancelled. */
export function reportOfNoStart(
  job: Pick<Job, 'name' | 'operation' | 'description'>,
  { run, trigger, slot, worker, attempt }: RunFacts,
  thrown: unknown,
  now: Date,
): Report {
  const time = now.toISOString();
  return {
    run,
    job: job.name,
    ...present({ description: job.description }),
    operation: job.operation,
    trigger,
    ...present({ slot, worker }),
    ...endOf(thrown),
    startedAt: time,
    endedAt: time,
    seconds: 0,
    files: { copied: 0, attrs: 0, deleted: 0, unchanged: 0, skipped: 0, vanished: 0, failed: 0 },
    bytes: 0,
    sessions: 0,
    attempt,
    verified: 'none',
    failures: [],
    failuresOmitted: 0,
  };
}

/** The same for a request from the queue; its job may no longer be in jobs.yml. */
export function reportOfRequest(
  { run, job, trigger, slot }: Pick<RunRequest, 'run' | 'job' | 'trigger' | 'slot'>,
  definition: Job | undefined,
  thrown: unknown,
  { attempt = 1, worker }: { readonly attempt?: number; readonly worker?: string } = {},
): Report {
  return reportOfNoStart(
    {
      name: job,
      operation: definition?.operation ?? 'push',
      description: definition?.description,
    },
    { run, trigger, ...present({ slot, worker }), attempt },
    thrown,
    new Date(),
  );
}

function endOfTally({ failed }: Tally): Pick<Report, 'outcome' | 'exitCode'> {
  return failed === 0
    ? { outcome: 'succeeded', exitCode: 0 }
    : { outcome: 'incomplete', exitCode: 3 };
}

/** How a run ends that threw this value. */
function endOf(thrown: unknown): Pick<Report, 'outcome' | 'exitCode' | 'error'> {
  if (thrown instanceof Cancelled) return { outcome: 'cancelled', exitCode: thrown.exitCode };
  const { kind, message, hint, path } = asFerryError(thrown);
  const exitCode = exitCodes[kind];
  const outcome = kind === 'refused' ? 'refused' : exitCode === 3 ? 'incomplete' : 'failed';
  return { outcome, exitCode, error: { kind, message, ...present({ hint, path }) } };
}
