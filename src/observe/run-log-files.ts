/** The paths of runs' logs, and their removal. Their content is run-log.ts. */
import { FerryError } from '../core/errors.js';
import { escapeText } from '../core/text.js';
import { runLogFile } from '../state/layout.js';
import { removeFile } from '../state/remove-file.js';

/** Removes the logs of runs whose reports are gone. A run without a log is no error. */
export async function removeRunLogs(state: string, runs: readonly string[]): Promise<void> {
  for (const run of runs) await removeFile(runLogPath(state, run));
}

const runIdPattern = /^[0-9A-Za-z-]{1,100}$/;

/** The path of a run's log. FerryError `config` for text that is no run id. */
export function runLogPath(state: string, run: string): string {
  if (!runIdPattern.test(run))
    throw new FerryError('config', `"${escapeText(run.slice(0, 100))}" is not a run id`, {
      hint: '`ferryline runs` lists them',
    });
  return runLogFile(state, run);
}
