/** The names of the folders in the trash: `RUN`, or `RUN.1`, `RUN.2` … for what that run kept a second time. */
import { runTime } from '../../../core/run-id.js';

export function trashFolder(run: string, n: number): string {
  return n === 0 ? run : `${run}.${n}`;
}

const form = /^(.*?)(?:\.([1-9]\d*))?$/s;

/** The run of a folder in the trash, and when it started (ms since the epoch); undefined for any other name. */
export function readTrashFolder(
  name: string,
): { readonly run: string; readonly time: number; readonly n: number } | undefined {
  const [, run = '', n = '0'] = form.exec(name) ?? [];
  const time = runTime(run);
  return time === undefined ? undefined : { run, time, n: Number(n) };
}
