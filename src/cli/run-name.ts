/** Runs by the names that people use: an id, a unique beginning of one, `latest`, or a job's name. */
import { isRunId, runsMeant } from '../core/run-id.js';
import { type Controls, severalRuns } from '../server/control/controls.js';
import { namesOfRuns } from '../state/reports.js';

/** The id of a run that a daemon knows. Errors: those of `Controls`. */
export async function runNamed(name: string, controls: Controls): Promise<string> {
  return isRunId(name) ? name : controls.find(name);
}

/** The same among the runs whose reports and logs are kept; a text that names none of them stays as it is. */
export async function keptRunNamed(name: string, state: string): Promise<string> {
  if (isRunId(name)) return name;
  const [run = name, ...more] = runsMeant(name, await namesOfRuns(state));
  if (more.length > 0) throw severalRuns(name, [run, ...more]);
  return run;
}
