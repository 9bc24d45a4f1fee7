/** The log of a run, asked of one daemon of several: it is kept where the run was carried out, and who looks elsewhere is told where. */
import { setTimeout as sleep } from 'node:timers/promises';
import { FerryError } from '../core/errors.js';
import type { Report } from '../core/events.js';
import type { RunView } from '../core/request.js';

export interface RunLogParts {
  /** Whether a log of it is kept here, or the run is in hand here. */
  isHere(run: string): Promise<boolean>;
  /** What the queue knows of it. */
  find(run: string): Promise<RunView | undefined>;
  report(run: string): Promise<Report | undefined>;
  /** Reads what is kept here; with `follow` also what is yet to come. */
  read(run: string, follow: boolean, signal: AbortSignal): AsyncIterable<string>;
}

/** Milliseconds between looks at a run that has not begun. */
const lookEvery = 500;

/** The lines of a run's log. Errors: `config` for one whose log is not kept here. */
export async function* findRunLog(
  parts: RunLogParts,
  run: string,
  follow: boolean,
  signal: AbortSignal,
): AsyncGenerator<string> {
  for (let looks = 0; !(await parts.isHere(run)); ) {
    const view = await parts.find(run).catch(() => undefined);
    const report = view?.report ?? (await parts.report(run));
    const begun = view?.state === 'active' || view?.state === 'ended' || report !== undefined;
    // A run that was taken this very moment is not in hand yet.
    if (begun && looks++ > 0) throw elsewhere(run, report?.worker);
    if (!begun && !follow) break;
    await sleep(lookEvery, undefined, { signal });
  }
  yield* parts.read(run, follow, signal);
}

function elsewhere(run: string, worker: string | undefined): FerryError {
  return new FerryError('config', `the log of run ${run} is not kept by this daemon`, {
    hint:
      worker === undefined
        ? 'it is with the worker that carries it out: ask there with `ferryline logs`'
        : `it is with worker ${worker}: ask there with \`ferryline logs ${run}\``,
  });
}
