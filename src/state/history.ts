/** The reports that a daemon keeps in its state folder: its own worker's, and those of other machines' workers. */
import type { Report } from '../core/events.js';
import { readReport, saveReport } from './reports.js';

export interface HistoryOptions {
  /** The state folder. */
  readonly state: string;
  /** Reports kept of a job. */
  readonly historyOf: (job: string) => number;
  /** Throws away what else is kept of runs whose reports went. */
  readonly forget: (runs: readonly string[]) => Promise<void>;
  readonly onError: (error: Error) => void;
}

export interface History {
  /** Keeps a report, and throws away what is older than the job's history. Never rejects. */
  keep(report: Report): Promise<void>;
  /** Keeps a report that came by the queue, unless it is kept already. Never rejects. */
  copy(report: Report | undefined): Promise<void>;
}

export function createHistory({ state, historyOf, forget, onError }: HistoryOptions): History {
  const keep = async (report: Report) => {
    try {
      await forget(await saveReport(state, report, historyOf(report.job)));
    } catch (error) {
      const why = (error as Error).message;
      onError(new Error(`the report of run ${report.run} can't be kept: ${why}`));
    }
  };
  return {
    keep,
    async copy(report) {
      if (report === undefined) return;
      // An attempt made here may have been followed by one made elsewhere.
      const kept = await readReport(state, report.run).catch(() => undefined);
      if (kept?.endedAt !== report.endedAt) await keep(report);
    },
  };
}
