/** Finds the log of a run among several daemons: it is kept where the run was carried out, and asked for there. */
import { setTimeout as sleep } from 'node:timers/promises';
import { FerryError } from '../core/errors.js';
import type { Report } from '../core/events.js';
import type { RunView } from '../core/request.js';
import type { PieceWanted } from '../core/run-piece.js';
import type { Elsewhere, FoundPart } from './run-parts.js';

export interface RunLogParts {
  /** Whether its log is kept here, or the run is in hand here. */
  isHere(run: string): Promise<boolean>;
  /** What the queue knows of it. */
  find(run: string): Promise<RunView | undefined>;
  report(run: string): Promise<Report | undefined>;
  /** Reads the log that is kept here; with `follow` also the lines that are still to come. */
  read(run: string, follow: boolean, signal: AbortSignal): AsyncIterable<string>;
  /** A piece of a log that is kept elsewhere. */
  part(wanted: PieceWanted, process?: string, signal?: AbortSignal): Promise<FoundPart>;
}

/** A run that has not begun is looked at this often. */
const lookEveryMs = 500;
/** A log that is followed is asked for again after this time. */
const askEveryMs = 1000;
const linesAtOnce = 500;

/** The lines of a run's log. Errors: `network` where the worker that keeps the rest of it does not answer. */
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
    if (begun && looks++ > 0) {
      yield* readElsewhere(parts, run, follow, signal);
      return;
    }
    if (!begun && !follow) break;
    await sleep(lookEveryMs, undefined, { signal });
  }
  yield* parts.read(run, follow, signal);
}

async function* readElsewhere(
  { part, find }: RunLogParts,
  run: string,
  follow: boolean,
  signal: AbortSignal,
): AsyncGenerator<string> {
  let from = 0;
  let process: string | undefined;
  for (;;) {
    // Asked before the reading: what comes later is not missed.
    const view = follow ? await find(run) : undefined;
    const goesOn = view !== undefined && view.state !== 'ended';
    const wanted = { run, part: 'all', from, limit: linesAtOnce } as const;
    const { piece, elsewhere, ...found } = await part(wanted, process, signal);
    yield* piece.lines;
    if (elsewhere !== undefined) throw unread(run, elsewhere);
    ({ next: from } = piece);
    ({ process } = found);
    if (piece.more) continue;
    if (!goesOn) return;
    await sleep(askEveryMs, undefined, { signal });
  }
}

function unread(run: string, { worker, seenAt }: Elsewhere): FerryError {
  const who = worker === undefined ? 'the worker that keeps it' : `worker ${worker}`;
  const seen = seenAt === undefined ? '' : `; it was last seen ${seenAt}`;
  const what = `the rest of the log of run ${run} can't be read: ${who} does not answer${seen}`;
  return new FerryError('network', what, {
    hint: 'is its daemon running? `ferryline status` shows the known processes',
  });
}
