/** Makes the reports of runs, and derives how a run ends from its error. state/reports.ts keeps them. */
import {
  asFerryError,
  Cancelled,
  exitCodes,
  type FerryError,
  worstExitCode,
} from '../../core/errors.js';
import { failuresListed, type Report, type TargetEnd, type Trigger } from '../../core/events.js';
import type { Job } from '../../core/job.js';
import { present } from '../../core/present.js';
import type { RunRequest } from '../../core/request.js';
import { windowClosed } from '../../core/window.js';
import type { Tally } from './tally.js';

/** What a report repeats of the run's request. */
interface RunFacts {
  readonly run: string;
  readonly trigger: Trigger;
  readonly slot?: string;
  readonly by?: string;
  readonly worker?: string;
  readonly attempt: number;
  readonly dryRun?: boolean;
  readonly approves?: string;
}

/** The report of a run that began; `thrown` is the error that ended it, if any. */
export function reportOfRun(
  job: Job,
  { run, trigger, slot, by, worker, attempt, dryRun, approves }: RunFacts,
  tally: Tally,
  end: { readonly started: Date; readonly sessions: number; readonly thrown: unknown },
): Report {
  const ended = new Date();
  return {
    run,
    job: job.name,
    ...present({ description: job.description }),
    operation: job.operation,
    ...sidesOf(job),
    trigger,
    ...present({ slot, by, worker, dryRun: dryRun || undefined, approves }),
    ...(end.thrown === undefined ? endOfTally(tally) : endOf(end.thrown)),
    startedAt: end.started.toISOString(),
    endedAt: ended.toISOString(),
    seconds: (ended.getTime() - end.started.getTime()) / 1000,
    files: {
      copied: tally.copied,
      attrs: tally.attrs,
      renamed: tally.renamed,
      deleted: tally.deleted,
      unchanged: tally.unchanged,
      skipped: tally.skipped,
      vanished: tally.vanished,
      failed: tally.failed,
    },
    bytes: tally.bytes,
    sessions: end.sessions,
    attempt,
    verified: dryRun === true ? 'none' : (tally.verified ?? job.verify),
    ...(tally.notGuaranteed.size === 0 ? {} : { notGuaranteed: [...tally.notGuaranteed].sort() }),
    failures: tally.failures,
    failuresOmitted: tally.failed - tally.failures.length,
  };
}

/** Its sides, by which people know a job without a name of its own. */
function sidesOf({ isAdHoc, from, to }: Partial<Job>): Pick<Report, 'from' | 'to'> {
  return isAdHoc === true ? present({ from: from?.label, to: to?.label }) : {};
}

/** The report of a run that could not begin, for example because its job was busy or it was cancelled. */
export function reportOfNoStart(
  job: Pick<Job, 'name' | 'operation' | 'description'> & Partial<Job>,
  { run, trigger, slot, by, worker, attempt, dryRun, approves }: RunFacts,
  thrown: unknown,
  now: Date,
): Report {
  const time = now.toISOString();
  return {
    run,
    job: job.name,
    ...present({ description: job.description }),
    operation: job.operation,
    ...sidesOf(job),
    trigger,
    ...present({ slot, by, worker, dryRun: dryRun || undefined, approves }),
    ...endOf(thrown),
    startedAt: time,
    endedAt: time,
    seconds: 0,
    files: {
      copied: 0,
      attrs: 0,
      renamed: 0,
      deleted: 0,
      unchanged: 0,
      skipped: 0,
      vanished: 0,
      failed: 0,
    },
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
  request: Pick<RunRequest, 'run' | 'job' | 'trigger' | 'slot' | 'by' | 'dryRun' | 'approves'>,
  definition: Job | undefined,
  thrown: unknown,
  { attempt = 1, worker }: { readonly attempt?: number; readonly worker?: string } = {},
): Report {
  const { run, job, trigger, slot, by, dryRun } = request;
  const approves = request.approves?.run;
  return reportOfNoStart(
    {
      name: job,
      operation: definition?.operation ?? 'push',
      description: definition?.description,
    },
    { run, trigger, ...present({ slot, by, worker, dryRun, approves }), attempt },
    thrown,
    new Date(),
  );
}

/** How a part of a run ended, as the report of the whole run lists it. */
export function targetEnd(target: string, report: Report): TargetEnd {
  const { outcome, exitCode, seconds, files, bytes, verified, failures, failuresOmitted } = report;
  const end = { target, outcome, exitCode, seconds, files, bytes, verified };
  const { error, notGuaranteed, stoppedBy } = report;
  return { ...end, ...present({ stoppedBy, error, notGuaranteed }), failures, failuresOmitted };
}

/** The report of a run with several targets: sums, and the outcome, exit code and error of the one that ended worst. */
export function reportOfTargets(
  job: Pick<Job, 'name' | 'operation' | 'description'>,
  { run, trigger, slot, by, worker, attempt, dryRun, approves }: RunFacts,
  ends: readonly TargetEnd[],
  { started, sessions }: { readonly started: Date; readonly sessions: number },
): Report {
  const ended = new Date();
  const exitCode = worstExitCode(ends.map((end) => end.exitCode));
  const worst = ends.find((end) => end.exitCode === exitCode);
  const failures = ends.flatMap(({ target, failures }) =>
    failures.map((failure) => ({ target, ...failure })),
  );
  const omitted = sum(ends, (end) => end.failuresOmitted);
  const files = (key: keyof Report['files']) => sum(ends, (end) => end.files[key] ?? 0);
  const unsure = new Set(ends.flatMap(({ notGuaranteed = [] }) => notGuaranteed));
  return {
    run,
    job: job.name,
    ...present({ description: job.description }),
    operation: job.operation,
    trigger,
    ...present({ slot, by, worker, dryRun: dryRun || undefined, approves }),
    outcome: worst?.outcome ?? 'succeeded',
    exitCode,
    ...present({ stoppedBy: ends.find((end) => end.stoppedBy !== undefined)?.stoppedBy }),
    ...present({ error: worst?.error && ofTarget(worst.target, worst.error) }),
    startedAt: started.toISOString(),
    endedAt: ended.toISOString(),
    seconds: (ended.getTime() - started.getTime()) / 1000,
    files: {
      copied: files('copied'),
      attrs: files('attrs'),
      renamed: files('renamed'),
      deleted: files('deleted'),
      unchanged: files('unchanged'),
      skipped: files('skipped'),
      vanished: files('vanished'),
      failed: files('failed'),
    },
    bytes: sum(ends, (end) => end.bytes),
    sessions,
    attempt,
    verified: weakest(ends),
    ...(unsure.size === 0 ? {} : { notGuaranteed: [...unsure].sort() }),
    failures: failures.slice(0, failuresListed),
    failuresOmitted: omitted + Math.max(0, failures.length - failuresListed),
    targets: ends,
  };
}

function sum<T>(all: readonly T[], of: (one: T) => number): number {
  return all.reduce((total, one) => total + of(one), 0);
}

function ofTarget(
  target: string,
  error: NonNullable<Report['error']>,
): NonNullable<Report['error']> {
  return { ...error, message: `${target}: ${error.message}` };
}

/** The weakest check of the targets that got files; of all, when none did. */
function weakest(ends: readonly TargetEnd[]): Report['verified'] {
  const copied = ends.filter((end) => end.files.copied > 0);
  const all = (copied.length === 0 ? ends : copied).map((end) => end.verified);
  return (['none', 'size', 'checksum'] as const).find((one) => all.includes(one)) ?? 'none';
}

function endOfTally({ failed }: Tally): Pick<Report, 'outcome' | 'exitCode'> {
  return failed === 0
    ? { outcome: 'succeeded', exitCode: 0 }
    : { outcome: 'incomplete', exitCode: 3 };
}

/** How a run ends that threw this value. */
function endOf(thrown: unknown): Pick<Report, 'outcome' | 'exitCode' | 'stoppedBy' | 'error'> {
  if (thrown instanceof Cancelled) {
    const { exitCode, why } = thrown;
    return {
      outcome: 'cancelled',
      exitCode,
      ...(why === undefined ? {} : { error: wordsOf(why) }),
    };
  }
  const error = asFerryError(thrown);
  const { kind, code } = error;
  const exitCode = exitCodes[kind];
  const outcome = kind === 'refused' ? 'refused' : exitCode === 3 ? 'incomplete' : 'failed';
  return {
    outcome,
    exitCode,
    ...(code === windowClosed ? { stoppedBy: 'window' } : {}),
    error: wordsOf(error),
  };
}

function wordsOf({ kind, message, hint, path }: FerryError): NonNullable<Report['error']> {
  return { kind, message, ...present({ hint, path }) };
}
