/** Makes the reports of runs that could not begin, and derives how a run ends from its error. state/reports.ts keeps reports. */
import { asFerryError, Cancelled, exitCodes } from '../../core/errors.js';
import type { Report, Trigger } from '../../core/events.js';
import type { Job } from '../../core/job.js';
import { present } from '../../core/present.js';
import type { RunRequest } from '../../core/request.js';

/** The report of a run that could not begin, for example because its job was busy or it was cancelled. */
export function reportOfNoStart(
  job: Pick<Job, 'name' | 'operation'>,
  run: {
    readonly run: string;
    readonly trigger: Trigger;
    readonly slot?: string;
    readonly worker?: string;
    readonly attempt: number;
  },
  thrown: unknown,
  now: Date,
): Report {
  const time = now.toISOString();
  return {
    run: run.run,
    job: job.name,
    operation: job.operation,
    trigger: run.trigger,
    ...present({ slot: run.slot, worker: run.worker }),
    ...endOf(thrown),
    startedAt: time,
    endedAt: time,
    seconds: 0,
    files: { copied: 0, attrs: 0, deleted: 0, unchanged: 0, skipped: 0, failed: 0 },
    bytes: 0,
    sessions: 0,
    attempt: run.attempt,
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
    { name: job, operation: definition?.operation ?? 'push' },
    { run, trigger, ...present({ slot, worker }), attempt },
    thrown,
    new Date(),
  );
}

/** How a run ends that threw this value. */
export function endOf(thrown: unknown): Pick<Report, 'outcome' | 'exitCode' | 'error'> {
  if (thrown instanceof Cancelled) return { outcome: 'cancelled', exitCode: thrown.exitCode };
  const { kind, message, hint, path } = asFerryError(thrown);
  const exitCode = exitCodes[kind];
  const outcome = kind === 'refused' ? 'refused' : exitCode === 3 ? 'incomplete' : 'failed';
  return { outcome, exitCode, error: { kind, message, ...present({ hint, path }) } };
}
