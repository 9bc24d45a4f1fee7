/** Runs jobs one after another in this process: the lock, the attempts and the report around each run. */
import { setTimeout as sleep } from 'node:timers/promises';
import { asFerryError, Cancelled, worstExitCode } from '../core/errors.js';
import type { Report } from '../core/events.js';
import type { Job } from '../core/job.js';
import { newRunId } from '../core/run-id.js';
import { formatDuration } from '../core/text.js';
import { SessionPool } from '../endpoints/sftp/pool.js';
import { removeRunLogs } from '../observe/run-log-files.js';
import { acquireJobLock } from '../state/lock.js';
import { saveReport } from '../state/reports.js';
import { backoffAfter, worthAnotherAttempt } from '../workers/attempts.js';
import { reportOfNoStart } from '../workers/run/report.js';
import { runJob } from '../workers/run/run-job.js';
import type { Context } from './context.js';
import { makeStateFolder } from './folders.js';
import { createReporter, showTranscript } from './show/reporter.js';

export interface RunChoices {
  /** Only says what would be done. */
  readonly dryRun: boolean;
  /** Attempts after the first. */
  readonly retries: number;
  /** What to call a job that has no name of its own. */
  readonly label?: string;
  /** Only the plan with this digest may be carried out. */
  readonly sealed?: { readonly digest: string; readonly approved: boolean };
}

interface Running extends RunChoices {
  readonly context: Context;
  readonly pool: SessionPool;
  readonly signal: AbortSignal;
  readonly state: string;
}

/** Resolves to the exit code of them all. A job that can't be run keeps no other from running; a signal does. */
export async function runJobs(
  jobs: readonly Job[],
  choices: RunChoices,
  context: Context,
): Promise<number> {
  const signal = context.stopSignal();
  const state = await makeStateFolder(context.around);
  const pool = openPool(context);
  const codes: number[] = [];
  try {
    for (const job of jobs) {
      if (signal.aborted) break;
      codes.push(await runLocked(job, { ...choices, context, pool, signal, state }));
    }
  } finally {
    await pool.leave();
  }
  if (signal.aborted && signal.reason instanceof Cancelled) codes.push(signal.reason.exitCode);
  return worstExitCode(codes);
}

/** The sessions of a command, whose notices are shown with `-v`, and the transcript with `-vv`. */
export function openPool({ output }: Context): SessionPool {
  if (output.verbosity < 1) return new SessionPool();
  if (output.verbosity < 2)
    return new SessionPool({ notice: (remote, text) => output.note(`${remote}: ${text}`) });
  return new SessionPool({
    transcript: (remote, kind, text) => showTranscript(output, remote, kind, text),
  });
}

/** One job under its lock, which a dry run doesn't need: it changes nothing. */
async function runLocked(job: Job, running: Running): Promise<number> {
  const { state, dryRun } = running;
  const run = newRunId(Date.now());
  if (dryRun) return (await attempt(job, run, 1, running)).exitCode;
  let lock: Awaited<ReturnType<typeof acquireJobLock>>;
  try {
    lock = await acquireJobLock(state, job.name);
  } catch (thrown) {
    const error = asFerryError(thrown);
    const start = { run, trigger: 'manual', attempt: 1 } as const;
    const report = reportOfNoStart(job, start, error, new Date());
    reporterFor(job, running).emit({ event: 'run', ...report });
    return report.exitCode;
  }
  try {
    return (await attempts(job, run, running)).exitCode;
  } finally {
    await lock.release();
  }
}

async function attempts(job: Job, run: string, running: Running): Promise<Report> {
  const { output } = running.context;
  for (let number = 1; ; number++) {
    const report = await attempt(job, run, number, running);
    await keepReport(job, report, running);
    if (number > running.retries || !worthAnotherAttempt(report)) return report;
    const wait = backoffAfter(number, job.starts.retry);
    output.note(`${running.label ?? job.name}: attempt ${number + 1} in ${formatDuration(wait)}`);
    try {
      await sleep(wait, undefined, { signal: running.signal });
    } catch {
      return report;
    }
  }
}

async function attempt(job: Job, run: string, number: number, running: Running): Promise<Report> {
  const reporter = reporterFor(job, running);
  try {
    return await runJob(job, {
      run,
      trigger: 'manual',
      attempt: number,
      emit: reporter.emit,
      signal: running.signal,
      pool: running.pool,
      state: running.state,
      dryRun: running.dryRun,
      // Also for the case that the plan is refused: people then want to see it.
      deepPlan: true,
      ...(running.sealed === undefined ? {} : { sealed: running.sealed }),
    });
  } finally {
    reporter.end();
  }
}

function reporterFor(job: Job, { context, dryRun, label }: Running) {
  return createReporter(context.output, { job: label ?? job.name, plan: false, dryRun });
}

/** A report that can't be kept changes nothing of what the run did, so it's a warning. */
async function keepReport(job: Job, report: Report, { state, context }: Running): Promise<void> {
  const { output } = context;
  try {
    const gone = await saveReport(state, output.redacted(report), job.history);
    await removeRunLogs(state, gone);
  } catch (thrown) {
    const why = (thrown as Error).message;
    output.note(`${output.style.yellow('warning:')} ${job.name}: its report was not kept: ${why}`);
  }
}
