/** Runs jobs one after another in this process, each with its lock, attempts and report. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Bandwidth } from '../core/bandwidth.js';
import { asFerryError, Cancelled, worstExitCode } from '../core/errors.js';
import type { Report } from '../core/events.js';
import type { Job } from '../core/job.js';
import { present } from '../core/present.js';
import { newRunId } from '../core/run-id.js';
import { formatDuration } from '../core/text.js';
import { isOpen } from '../core/window.js';
import { SessionPool } from '../endpoints/sftp/pool.js';
import { openRunLog, type RunLog } from '../observe/run-log.js';
import { removeRunLogs } from '../observe/run-log-files.js';
import { connect } from '../ssh/connect.js';
import type { Connect } from '../ssh/transport.js';
import { queueInstallation } from '../state/installation.js';
import { acquireJobLock, type Lock } from '../state/lock.js';
import { saveReport } from '../state/reports.js';
import { backoffAfter, worthAnotherAttempt } from '../workers/attempts.js';
import { runHooked } from '../workers/run/hooked-run.js';
import { reportOfNoStart } from '../workers/run/report.js';
import { limitProcess } from '../workers/run/transfer/bandwidth.js';
import { passphraseAsker } from './ask-passphrase.js';
import type { Context } from './context.js';
import {
  type HeldPermits,
  openRunPermits,
  type RunPermitOptions,
  type RunPermits,
} from './run-permits.js';
import { Reporter, showSummary, showTranscript } from './show/reporter.js';

export interface RunChoices {
  /** Print what would be done, and change nothing. */
  readonly dryRun: boolean;
  /** Most attempts, including the first. */
  readonly attempts: number;
  /** The limit of all jobs together; absent: none. */
  readonly bandwidth?: Bandwidth | undefined;
  /** How to call a job without a name of its own in the output. */
  readonly label?: string;
  /** The only plan that may be carried out, by its digest. */
  readonly sealed?: { readonly digest: string; readonly approved: boolean };
  /** The queue from which permits are taken; absent: none are needed. */
  readonly permits?: Omit<RunPermitOptions, 'pool'>;
  /** Whether the limit of deletions was typed for these runs. */
  readonly deletionsApproved: boolean;
  /** The command that runs a job once with one more flag. */
  readonly commandWith: (job: string, flag: string) => string;
}

/** What the runs of one command share. */
interface RunSession extends Omit<RunChoices, 'permits'> {
  readonly permits: RunPermits | undefined;
  readonly context: Context;
  readonly pool: SessionPool;
  readonly signal: AbortSignal;
  readonly state: string;
}

/** Resolves to the exit code of them all. If a job cannot be run, the next ones still are; a signal stops them. */
export async function runJobs(
  jobs: readonly Job[],
  state: string,
  choices: RunChoices,
  context: Context,
): Promise<number> {
  const signal = context.stopSignal();
  const pool = openPool(context);
  limitProcess(pool, choices.bandwidth);
  const reports: Report[] = [];
  let permits: RunPermits | undefined;
  try {
    if (choices.permits !== undefined && !choices.dryRun)
      permits = await openRunPermits({ ...choices.permits, pool }, context);
    for (const job of jobs) {
      if (signal.aborted) break;
      reports.push(await runLocked(job, { ...choices, context, pool, signal, state, permits }));
    }
  } finally {
    await permits?.close();
    await pool.leave();
  }
  showSummary(reports, context.output);
  const codes = reports.map(({ exitCode }) => exitCode);
  if (signal.aborted && signal.reason instanceof Cancelled) codes.push(signal.reason.exitCode);
  return worstExitCode(codes);
}

/** The SSH sessions of a command, which asks for passphrases on a terminal. Shows their notices with `-v` and the transcript with `-vv`. */
export function openPool({ output }: Context): SessionPool {
  const ask = passphraseAsker(process, output);
  const asking = {
    connect: ((remote, log, signal) => connect(remote, log, signal, ask)) satisfies Connect,
  };
  if (output.verbosity < 1) return new SessionPool(asking);
  if (output.verbosity < 2)
    return new SessionPool({
      ...asking,
      notice: (remote, text) => output.note(`${remote}: ${text}`),
    });
  return new SessionPool({
    ...asking,
    transcript: (remote, kind, text) => showTranscript(output, remote, kind, text),
  });
}

/** Runs one job under its lock and its permits; a dry run needs none, since it changes nothing. */
async function runLocked(job: Job, session: RunSession): Promise<Report> {
  const { state, dryRun, permits, signal } = session;
  const run = newRunId(Date.now());
  if (dryRun) return attempt(job, { run, number: 1 }, session);
  if (!isOpen(job, Date.now()))
    session.context.output.note(
      `${session.label ?? job.name}: runs outside its window ${job.window?.text ?? ''}, since it was asked for by hand`,
    );
  let lock: Lock | undefined;
  let held: HeldPermits | undefined;
  try {
    lock = await acquireJobLock(state, job.name);
    held = await permits?.hold(job, signal);
  } catch (thrown) {
    await lock?.release();
    const error = signal.aborted ? signal.reason : asFerryError(thrown);
    const start = { run, trigger: 'manual', attempt: 1 } as const;
    const report = reportOfNoStart(job, start, error, new Date());
    reporterFor(job, session).emit({ event: 'run', ...report });
    return report;
  }
  const log = openLog(run, session);
  try {
    return await attempts(job, { run, held, log }, session);
  } finally {
    log.close();
    await held?.release();
    await lock.release();
  }
}

/** What belongs to one run. */
interface RunParts {
  readonly run: string;
  readonly held?: HeldPermits | undefined;
  readonly log?: RunLog;
}

/** The run's log, as the daemon's workers write it. A failure is only a warning. */
function openLog(run: string, { state, context: { output } }: RunSession): RunLog {
  const onError = (error: Error) =>
    output.note(`${output.style.yellow('warning:')} ${error.message}`);
  return openRunLog({ state, run, debug: output.verbosity > 1, redact: output.redact, onError });
}

async function attempts(job: Job, parts: RunParts, session: RunSession): Promise<Report> {
  const { output } = session.context;
  let earlier: Report | undefined;
  for (let number = 1; ; number++) {
    const report = await attempt(job, { ...parts, number }, session, earlier);
    earlier = report;
    await keepReport(job, report, session);
    if (number >= session.attempts || !worthAnotherAttempt(report)) return report;
    const wait = backoffAfter(number, job.starts.retry);
    output.note(`${session.label ?? job.name}: attempt ${number + 1} in ${formatDuration(wait)}`);
    try {
      await sleep(wait, undefined, { signal: session.signal });
    } catch {
      // stopped between two attempts, it is followed by the command that always follows
      if (job.hooks !== undefined)
        await attempt(job, { ...parts, number: number + 1 }, session, earlier);
      return report;
    }
  }
}

async function attempt(
  job: Job,
  { run, number, held, log }: RunParts & { readonly number: number },
  session: RunSession,
  earlier?: Report,
): Promise<Report> {
  const reporter = reporterFor(job, session);
  const { signal } = session;
  try {
    return await runHooked(job, {
      run,
      trigger: 'manual',
      attempt: number,
      emit(event) {
        reporter.emit(event);
        // If the plan is refused, the reporter shows its deletions; the log has what was done.
        if (event.event !== 'action') log?.emit(event);
      },
      signal: held === undefined ? signal : AbortSignal.any([signal, held.lost]),
      pool: session.pool,
      state: session.state,
      installation: session.dryRun ? await queueInstallation(session.state) : held?.installation,
      dryRun: session.dryRun,
      deepPlan: true,
      isLast: (report) => number >= session.attempts || !worthAnotherAttempt(report),
      // after Ctrl-C, which ended the run, they still run
      hooksSignal: () => (signal.aborted ? new AbortController().signal : signal),
      redact: (value) => session.context.output.redacted(value),
      deletionsApproved: session.deletionsApproved,
      commandWith: (flag) => session.commandWith(job.name, flag),
      ...present({ sealed: session.sealed, earlier, isOurs: held?.isOurs, enter: held?.enter }),
    });
  } finally {
    reporter.end();
  }
}

function reporterFor(job: Job, { context, dryRun, label }: RunSession) {
  return new Reporter(context.output, { job: label ?? job.name, plan: false, dryRun });
}

/** Saves the report. A failure is only a warning: it does not change the result of the run. */
async function keepReport(job: Job, report: Report, { state, context }: RunSession): Promise<void> {
  const { output } = context;
  try {
    const removed = await saveReport(state, output.redacted(report), job.history);
    await removeRunLogs(state, removed);
  } catch (thrown) {
    const why = (thrown as Error).message;
    output.note(
      `${output.style.yellow('warning:')} ${job.name}: its report could not be saved: ${why}`,
    );
  }
}
