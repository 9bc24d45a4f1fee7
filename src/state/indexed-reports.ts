/** The reports of a state folder as its daemon finds them: by the index, without a look at the folders. */
import type { Report } from '../core/events.js';
import { readKeptReport } from './report-files.js';
import { type ListOptions, newestReports } from './reports.js';
import type { RunIndex } from './run-index.js';
import type { RunTable } from './run-table.js';

export interface IndexedReports {
  /** What is known of ended runs without their reports, with all that had ended before the call. */
  table(): Promise<RunTable>;
  /** The newest reports, newest first. One that can't be read is passed over. */
  list(options: ListOptions): Promise<Report[]>;
  /** The report of a run of any job; undefined if none is kept. */
  read(run: string): Promise<Report | undefined>;
}

/** Errors of all its functions: `io`. */
export function indexedReports(state: string, index: RunIndex): IndexedReports {
  return {
    table: () => index.table(),
    async list(options) {
      const table = await index.table();
      const { job, idle = true } = options;
      return newestReports(state, options, async (limit, before) =>
        table.newest({ job, limit, before, idle }),
      );
    },
    async read(run) {
      for (const kept of (await index.table()).named(run)) {
        const report = await readKeptReport(state, kept);
        if (report !== undefined) return report;
      }
      return undefined;
    },
  };
}
