/** Reports of runs, and the files STATE/runs/JOB/RUN.json they are kept in. Reading them back is kept-reports.ts. */
import { randomBytes } from 'node:crypto';
import { mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { asFerryError, Cancelled, exitCodes } from '../core/errors.js';
import type { Report, Trigger } from '../core/events.js';
import type { Job } from '../core/job.js';
import type { RunRequest } from '../core/request.js';
import { runTime } from '../core/run-id.js';

/**
 * Keeps a report, replacing an earlier one of the same run (its last attempt), and removes the
 * job's oldest beyond `history`; gives back the runs whose reports went, for what else is kept of
 * them. It stands whole or not at all. Not flushed to the disk: a power cut may cost the last
 * report, never anything else.
 */
export async function saveReport(
  state: string,
  report: Report,
  history: number,
): Promise<string[]> {
  const folder = join(state, 'runs', report.job);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const temporary = join(folder, `.${report.run}.${randomBytes(4).toString('hex')}`);
  await writeFile(temporary, `${JSON.stringify(report)}\n`, { mode: 0o600 });
  await rename(temporary, join(folder, `${report.run}.json`));
  const kept = (await readdir(folder)).map(runOfFile).filter((run) => run !== undefined);
  const removed = kept.sort().slice(0, Math.max(0, kept.length - history));
  for (const run of removed) await rm(join(folder, `${run}.json`), { force: true });
  return removed;
}

/** The run whose report a file's name says it is; undefined for any other file. */
export function runOfFile(name: string): string | undefined {
  const run = name.endsWith('.json') ? name.slice(0, -5) : '';
  return runTime(run) === undefined ? undefined : run;
}

/** The report of a run that could not begin: its job was busy, say, or it was cancelled. */
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
    ...(run.slot === undefined ? {} : { slot: run.slot }),
    ...(run.worker === undefined ? {} : { worker: run.worker }),
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

/** The same, of a request out of the queue, for a job that may be in jobs.yml no more. */
export function reportOfRequest(
  { run, job, trigger, slot }: Pick<RunRequest, 'run' | 'job' | 'trigger' | 'slot'>,
  definition: Job | undefined,
  thrown: unknown,
  { attempt = 1, worker }: { readonly attempt?: number; readonly worker?: string } = {},
): Report {
  const more = {
    ...(slot === undefined ? {} : { slot }),
    ...(worker === undefined ? {} : { worker }),
  };
  return reportOfNoStart(
    { name: job, operation: definition?.operation ?? 'push' },
    { run, trigger, ...more, attempt },
    thrown,
    new Date(),
  );
}

/** How a run ends that something was thrown in. */
export function endOf(thrown: unknown): Pick<Report, 'outcome' | 'exitCode' | 'error'> {
  if (thrown instanceof Cancelled) return { outcome: 'cancelled', exitCode: thrown.exitCode };
  const { kind, message, hint, path } = asFerryError(thrown);
  const exitCode = exitCodes[kind];
  const outcome = kind === 'refused' ? 'refused' : exitCode === 3 ? 'incomplete' : 'failed';
  const more = { ...(hint === undefined ? {} : { hint }), ...(path === undefined ? {} : { path }) };
  return { outcome, exitCode, error: { kind, message, ...more } };
}
