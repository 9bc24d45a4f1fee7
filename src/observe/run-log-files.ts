/** Where the logs of runs are, and their end. What is in them is run-log.ts. */
import { rm } from 'node:fs/promises';
import { FerryError } from '../core/errors.js';
import { escapeText } from '../core/text.js';
import { runLogFile } from '../state/layout.js';

/** Removes the logs of runs whose reports are gone. Those that have none are no error. */
export async function removeRunLogs(state: string, runs: readonly string[]): Promise<void> {
  for (const run of runs) await rm(runLogPath(state, run), { force: true });
}

const form = /^[0-9A-Za-z-]{1,100}$/;

/** Where the log of a run is. FerryError `config` for what is no run id. */
export function runLogPath(state: string, run: string): string {
  if (!form.test(run))
    throw new FerryError('config', `"${escapeText(run.slice(0, 100))}" is no run id`, {
      hint: '`ferryline runs` lists them',
    });
  return runLogFile(state, run);
}
