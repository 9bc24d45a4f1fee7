/** Finds the log of a run among several daemons: it is kept where the run was carried out; elsewhere, the error says where that is. */
import { setTimeout as sleep } from 'node:timers/promises';
import { FerryError } from '../core/errors.js';
import type { Report } from '../core/events.js';
import type { RunView } from '../core/request.js';

export interface RunLogParts {
  /** Whether its log is kept here, or the run is in hand here. */
  isHere(run: string): Promise<boolean>;
  /** What the queue knows of it. */
  find(run: string): Promise<RunView | undefined>;
  report(run: string): Promise<Report | undefined>;
  /** Reads the log that is kept here; with `follow` also the lines that are still to come. */
  read(run: string, follow: boolean, signal: AbortSignal): AsyncIterable<string>;
}

/** A run that has not begun is looked at this often. */
const lookEveryMs = 500;

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
    // a run taken from the queue just now may not be in hand yet
    if (begun && looks++ > 0) throw elsewhere(run, report?.worker);
    if (!begun && !follow) break;
    await sleep(lookEveryMs, undefined, { signal });
  }
  yield* parts.read(run, follow, signal);
}

function elsewhere(run: string, worker: string | undefined): FerryError {
  return new FerryError('config', `the log of run ${run} is not kept by this daemon`, {
    hint:
      worker === undefined
        ? 'the worker that carries it out keeps it: call `ferryline logs` there'
        : `worker ${worker} keeps it: call \`ferryline logs ${run}\` there`,
  });
}
