/** Reports and logs of runs from the state folder, for `runs` and `logs` when no daemon runs. */
import type { Report } from '../core/events.js';
import { present } from '../core/present.js';
import type { RunView } from '../core/request.js';
import { readRunLog } from '../observe/read-run-log.js';
import type { RunList } from '../server/control/controls.js';
import { countIdle, listReports, readReport } from '../state/reports.js';

/** The latest runs of a job, or of every job; with `idle` also those that changed nothing. Errors: `io`. */
export async function keptRuns(
  state: string,
  job: string | undefined,
  limit: number,
  idle: boolean,
): Promise<RunList> {
  const reports = await listReports(state, { limit, idle, ...present({ job }) });
  const since = reports.length < limit ? undefined : reports.at(-1)?.run;
  const hidden = idle ? 0 : await countIdle(state, job, since);
  return {
    runs: reports.map(viewOf),
    skipped: [],
    ...(hidden > 0 && { hidden }),
  };
}

/** An ended run as it is listed. */
export function viewOf(report: Report): RunView {
  const { run, job, trigger, slot, outcome } = report;
  return { run, job, trigger, ...present({ slot }), state: 'ended', outcome, report };
}

/**
 * The lines of a run's log. With `follow` it also yields new lines, which a worker without the api
 * role may be writing, until the run ends. Rejects with the signal's reason when it is aborted, and
 * with a `config` error if there is no log of the run.
 */
export async function* keptLog(
  state: string,
  run: string,
  follow: boolean,
  signal: AbortSignal,
): AsyncGenerator<string> {
  // Fails here for a missing log: when following, readRunLog would wait for it to appear.
  const firstRead = readRunLog(state, run);
  await firstRead.next();
  await firstRead.return();
  const ended = (await readReport(state, run)) !== undefined;
  yield* readRunLog(state, run, { follow: follow && !ended, signal });
  signal.throwIfAborted();
}
