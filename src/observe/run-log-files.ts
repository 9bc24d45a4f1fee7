/** The paths of runs' logs and plans, and their removal. What a log holds is run-log.ts. */
import { FerryError } from '../core/errors.js';
import { escapeText } from '../core/text.js';
import { planFile, runLogFile } from '../state/layout.js';
import { removeFile } from '../state/remove-file.js';

/** Removes the logs and plans of runs whose reports are gone. A run without them is no error. */
export async function removeRunLogs(state: string, runs: readonly string[]): Promise<void> {
  for (const run of runs) {
    await removeFile(runLogPath(state, run));
    await removeFile(runPlanPath(state, run));
  }
}

const runIdPattern = /^[0-9A-Za-z-]{1,100}$/;

/** The path of a run's log. FerryError `config` for text that is no run id. */
export function runLogPath(state: string, run: string): string {
  return runLogFile(state, checked(run));
}

/** The path of a run's plan. FerryError `config` for text that is no run id. */
export function runPlanPath(state: string, run: string): string {
  return planFile(state, checked(run));
}

function checked(run: string): string {
  if (!runIdPattern.test(run))
    throw new FerryError('config', `"${escapeText(run.slice(0, 100))}" is not a run id`, {
      hint: '`ferryline runs` lists them',
    });
  return run;
}
