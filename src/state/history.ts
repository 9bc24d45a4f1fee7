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
  /** Called for a report that is given up unsaved: nobody has it whole. */
  readonly onLost: (report: Report) => void;
}

/** What could not be saved, as on a full disk, is tried again after this time, ms. */
const saveAgainMs = 5000;
/** So many reports wait for room at most; then the oldest are dropped. */
const mostUnsaved = 1000;

export interface History {
  /** Keeps a report, and removes those beyond the job's history; what can't be saved now is tried again. Never rejects. */
  keep(report: Report): Promise<void>;
  /** Keeps a report that came through the queue, unless it is kept already. Never rejects. */
  copy(report: Report | undefined): Promise<void>;
  /** Tries once more to save what could not be saved, and gives up the rest. Never rejects. */
  close(): Promise<void>;
}

export function createHistory(options: HistoryOptions): History {
  const { state, historyOf, forget, onError, onLost } = options;
  /** By run: its latest attempt. */
  const unsaved = new Map<string, Report>();
  let timer: NodeJS.Timeout | undefined;
  let saving: Promise<void> | undefined;
  const save = async (report: Report) => {
    const removed = await saveReport(state, report, historyOf(report.job));
    if (unsaved.get(report.run) === report) unsaved.delete(report.run);
    await forget(removed).catch(onError);
  };
  const saveLater = (report: Report) => {
    unsaved.set(report.run, report);
    const [oldest] = unsaved.values();
    if (unsaved.size > mostUnsaved && oldest !== undefined) lose(oldest);
    timer ??= setInterval(() => void saveUnsaved(), saveAgainMs).unref();
  };
  const lose = (report: Report) => {
    unsaved.delete(report.run);
    onLost(report);
  };
  const saveUnsaved = () => {
    saving ??= (async () => {
      // That it can't be saved was said when it was tried first.
      for (const report of [...unsaved.values()])
        if (unsaved.get(report.run) === report) await save(report).catch(() => {});
      saving = undefined;
      if (unsaved.size > 0) return;
      clearInterval(timer);
      timer = undefined;
    })();
    return saving;
  };
  const keep = async (report: Report) => {
    // It replaces what an earlier attempt left to be saved.
    unsaved.delete(report.run);
    try {
      await save(report);
    } catch (error) {
      saveLater(report);
      const why = (error as Error).message;
      onError(
        new Error(`the report of run ${report.run} can't be saved yet, and is tried again: ${why}`),
      );
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
    async close() {
      clearInterval(timer);
      if (unsaved.size > 0) await saveUnsaved();
      for (const report of [...unsaved.values()]) lose(report);
    },
  };
}
