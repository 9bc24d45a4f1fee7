/** The paths of runs' logs, and their removal. Their content is run-log.ts. */
import { unlink } from 'node:fs/promises';
import { FerryError } from '../core/errors.js';
import { escapeText } from '../core/text.js';
import { runLogFile } from '../state/layout.js';

/** Removes the logs of runs whose reports are gone. A run without a log is no error. */
export async function removeRunLogs(state: string, runs: readonly string[]): Promise<void> {
  for (const run of runs)
    await unlink(runLogPath(state, run)).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error;
    });
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
