/** A run with the commands of its job around it: `before`, the run, then `success` or `failure`, and `always`. */
import type { Report, RunEvent } from '../../core/events.js';
import type { Job } from '../../core/job.js';
import { present } from '../../core/present.js';
import { FileList } from './hooks/file-list.js';
import { RunHooks } from './hooks/hooks.js';
import { reportOfNoStart } from './report.js';
import { runTargets, type TargetsContext } from './run-targets.js';

export interface HookedContext extends TargetsContext {
  /** Whether this report is the run's last: only then do the hooks after it run. */
  readonly isLast: (report: Report) => boolean;
  /** Ends the hooks that follow the run; asked for when they begin, since the run itself may have been stopped. */
  readonly hooksSignal: () => AbortSignal;
  /** Takes secrets out of what hooks are given. */
  readonly redact: <T extends object>(value: T) => T;
}

/** Runs a job, with its hooks. Never rejects: every error ends in the report. */
export async function runHooked(job: Job, context: HookedContext): Promise<Report> {
  const { hooks } = job;
  if (hooks === undefined || context.dryRun) return runTargets(job, context);
  const { run, slot, attempt, state, emit, redact } = context;
  const warn = (message: string) => emit({ event: 'notice', level: 'warning', message });
  const facts = { job: job.name, run, ...present({ slot }), state, attempt };
  const commands = new RunHooks(hooks, facts, emit);
  const files = await openList(job.name, context, warn);
  const pass = (event: RunEvent) => {
    if (event.event === 'file') files?.add(redact(event));
    // the run's end follows its hooks
    if (event.event !== 'run') emit(event);
  };
  let report = await beginAndRun(job, { ...context, emit: pass }, commands);
  const isLast = context.isLast(report);
  if (isLast) {
    files?.flush();
    report = await commands.after(redact(report), files?.path, context.hooksSignal());
  }
  await files?.close(isLast);
  emit({ event: 'run', ...report });
  return report;
}

/** The command before the run, then the logins, then the run: a command that takes its time keeps no login. */
async function beginAndRun(job: Job, context: HookedContext, commands: RunHooks): Promise<Report> {
  const { signal, enter } = context;
  let leave: (() => unknown) | undefined;
  try {
    await commands.before(signal);
    if (job.parts === undefined) leave = await enter?.(job, signal);
    return await runTargets(job, context);
  } catch (error) {
    return reportOfNoStart(job, context, signal.aborted ? signal.reason : error, new Date());
  } finally {
    await leave?.();
  }
}

/** The list of files that the hooks after the run are given; undefined when it can't be made, which is said. */
async function openList(
  job: string,
  { state, run }: HookedContext,
  warn: (message: string) => void,
): Promise<FileList | undefined> {
  const onError = (why: string) =>
    warn(`the list of files for the hooks (FERRYLINE_LOG) is not complete: ${why}`);
  try {
    return await FileList.open(state, { job, run }, onError);
  } catch (error) {
    onError((error as Error).message);
    return undefined;
  }
}
