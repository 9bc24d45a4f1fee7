/** The reports that a daemon keeps in its state folder: those of its own worker and of workers on other machines. */
import type { Report } from '../core/events.js';
import type { Job } from '../core/job.js';
import { readKeptReport } from './report-files.js';
import { saveReport } from './reports.js';

export interface HistoryOptions {
  /** The state folder. */
  readonly state: string;
  /** Which reports of a job are kept. */
  readonly historyOf: (job: string) => Job['history'];
  /** Removes what else is kept of runs whose reports were removed. */
  readonly forget: (runs: readonly string[]) => Promise<void>;
  readonly onError: (error: Error) => void;
}

export interface History {
  /** Keeps a report, and removes those beyond the job's history. Never rejects. */
  keep(report: Report): Promise<void>;
  /** Keeps a report that came through the queue, unless it is kept already. Never rejects. */
  copy(report: Report | undefined): Promise<void>;
}

export function createHistory({ state, historyOf, forget, onError }: HistoryOptions): History {
  const keep = async (report: Report) => {
    try {
      await forget(await saveReport(state, report, historyOf(report.job)));
    } catch (error) {
      const why = (error as Error).message;
      onError(new Error(`the report of run ${report.run} can't be saved: ${why}`));
    }
  };
  return {
    keep,
    async copy(report) {
      if (report === undefined) return;
      // A kept report may be of an attempt made here, this one of a later attempt made elsewhere.
      const kept = await readKeptReport(state, report);
      if (kept?.endedAt !== report.endedAt) await keep(report);
    },
  };
}
