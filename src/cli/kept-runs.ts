/** What the state folder keeps of runs, for `runs` and `logs` where no daemon answers. */
import { readRunLog } from '../observe/read-run-log.js';
import type { RunList } from '../server/control/controls.js';
import { listReports, readReport } from '../state/reports.js';

/** The reports of the latest runs, of every job when none is named. Errors: `io`. */
export async function keptRuns(
  state: string,
  job: string | undefined,
  limit: number,
): Promise<RunList> {
  const reports = await listReports(state, { limit, ...(job === undefined ? {} : { job }) });
  return {
    runs: reports.map((report) => ({
      run: report.run,
      job: report.job,
      trigger: report.trigger,
      ...(report.slot === undefined ? {} : { slot: report.slot }),
      state: 'ended',
      outcome: report.outcome,
      report,
    })),
    skipped: [],
  };
}

/**
 * The lines of a run's log. With `follow` it goes on while a worker without an API writes it, until
 * the run ends or the signal is aborted, with whose reason it then rejects. Errors: `config` when
 * no log is kept of the run.
 */
export async function* keptLog(
  state: string,
  run: string,
  follow: boolean,
  signal: AbortSignal,
): AsyncGenerator<string> {
  // One that isn't there is told here, where following would wait for it to come.
  const look = readRunLog(state, run);
  await look.next();
  await look.return();
  const ended = (await readReport(state, run)) !== undefined;
  yield* readRunLog(state, run, { follow: follow && !ended, signal });
  signal.throwIfAborted();
}
