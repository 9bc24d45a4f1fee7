/** Tells that runs were enqueued, and waits for their ends (`--wait`). */
import { asFerryError, Cancelled, exitCodes, worstExitCode } from '../core/errors.js';
import type { Controls, Enqueued } from '../server/control/controls.js';
import type { Context } from './context.js';
import { createReporter } from './show/reporter.js';

/** A run that was asked for; `job` is unknown until its report comes when a run was retried. */
export interface Asked extends Enqueued {
  readonly job?: string;
  /** The run it does again. */
  readonly retryOf?: string;
}

/** An `enqueued` event, or a line on stderr. */
export function tellEnqueued(asked: Asked, { output }: Context): void {
  const { job, run, joined, retryOf } = asked;
  if (output.json) {
    output.record({
      event: 'enqueued',
      time: new Date().toISOString(),
      ...(job === undefined ? {} : { job }),
      run,
      joined,
      ...(retryOf === undefined ? {} : { retryOf }),
    });
  } else {
    const what = job ?? `run ${retryOf} again`;
    output.note(`${output.style.bold(what)}: ${joined ? 'waits already' : 'enqueued'}, run ${run}`);
  }
}

/**
 * Shows each run's report when it ends, as `run` does, and resolves to the exit code of them all.
 * The signal only stops the waiting: then it rejects with the signal's `Cancelled`.
 */
export async function awaitRuns(
  runs: readonly Asked[],
  controls: Controls,
  context: Context,
): Promise<number> {
  const signal = context.stopSignal();
  const ended = new Set<string>();
  const codes = await Promise.all(
    runs.map(async ({ run }) => {
      const code = await awaitRun(run, controls, context, signal);
      ended.add(run);
      return code;
    }),
  ).catch((thrown: unknown) => {
    if (!(thrown instanceof Cancelled)) throw thrown;
    for (const { run, job } of runs) {
      if (ended.has(run)) continue;
      const name = job === undefined ? `run ${run}` : `${job}: run ${run}`;
      context.output.note(`${name} goes on; \`ferryline cancel ${run}\` stops it`);
    }
    throw thrown;
  });
  return worstExitCode(codes);
}

/** One run's exit code. What keeps it from being known keeps no other from being waited for. */
async function awaitRun(
  run: string,
  controls: Controls,
  { output }: Context,
  signal: AbortSignal,
): Promise<number> {
  try {
    const report = await controls.outcome(run, signal);
    const reporter = createReporter(output, { job: report.job, plan: false, dryRun: false });
    reporter.emit({ event: 'run', ...report });
    return report.exitCode;
  } catch (thrown) {
    if (thrown instanceof Cancelled) throw thrown;
    const error = asFerryError(thrown);
    output.error(error);
    return exitCodes[error.kind];
  }
}
