/** Reports that runs were enqueued, and waits until they end (`--wait`). */
import { asFerryError, Cancelled, exitCodes, worstExitCode } from '../core/errors.js';
import type { Report } from '../core/events.js';
import { present } from '../core/present.js';
import type { Controls, Enqueued } from '../server/control/controls.js';
import type { Context } from './context.js';
import { Reporter, showSummary } from './show/reporter.js';
import { localTime } from './show/table.js';

/** A run that the daemon was asked for. `job` is absent for a retry: it is known only from the report. */
export interface EnqueuedRun extends Enqueued {
  readonly job?: string;
  /** The run that it repeats. */
  readonly rerunOf?: string;
}

/** Prints an `enqueued` event, or a line on stderr. */
export function reportEnqueued(request: EnqueuedRun, { output }: Context): void {
  const { job, run, joined, rerunOf, opensAt } = request;
  if (output.json) {
    output.record({
      event: 'enqueued',
      time: new Date().toISOString(),
      ...present({ job }),
      run,
      joined,
      ...present({ rerunOf, opensAt }),
    });
  } else {
    const what = job ?? `rerun of run ${rerunOf}`;
    const state = joined ? 'already enqueued' : 'enqueued';
    const wait =
      opensAt === undefined ? '' : `; waits for its window: ${localTime(opensAt, new Date())}`;
    output.note(`${output.style.bold(what)}: ${state}, run ${run}${wait}`);
  }
}

/**
 * Shows the report of each run when it ends, as `run` does, and resolves to the exit code of them all.
 * SIGINT and SIGTERM stop only the waiting, not the runs; it then rejects with the `Cancelled`.
 */
export async function awaitRuns(
  runs: readonly EnqueuedRun[],
  controls: Controls,
  context: Context,
): Promise<number> {
  const signal = context.stopSignal();
  const ended = new Set<string>();
  const found = await Promise.all(
    runs.map(async ({ run }) => {
      const end = await awaitRun(run, controls, context, signal);
      ended.add(run);
      return end;
    }),
  ).catch((thrown: unknown) => {
    if (!(thrown instanceof Cancelled)) throw thrown;
    for (const { run, job } of runs) {
      if (ended.has(run)) continue;
      const name = job === undefined ? `run ${run}` : `${job}: run ${run}`;
      context.output.note(`${name} continues; stop it with \`ferryline cancel ${run}\``);
    }
    throw thrown;
  });
  showSummary(
    found.filter((end) => typeof end !== 'number'),
    context.output,
  );
  return worstExitCode(found.map((end) => (typeof end === 'number' ? end : end.exitCode)));
}

/** The report of one run. An error is printed and becomes its exit code, so that the other runs are still awaited. */
async function awaitRun(
  run: string,
  controls: Controls,
  { output }: Context,
  signal: AbortSignal,
): Promise<Report | number> {
  try {
    const report = await controls.outcome(run, signal);
    const reporter = new Reporter(output, { job: report.job, plan: false, dryRun: false });
    reporter.emit({ event: 'run', ...report });
    return report;
  } catch (thrown) {
    if (thrown instanceof Cancelled) throw thrown;
    const error = asFerryError(thrown);
    output.error(error);
    return exitCodes[error.kind];
  }
}
