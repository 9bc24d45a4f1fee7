/**
 * What stays on the worker of a run, wherever that is: read here where it is kept here, else asked for
 * piece by piece. Where nobody answers, what is known of the worker says where the rest is.
 */
import { FerryError } from '../core/errors.js';
import type { Report } from '../core/events.js';
import { type KnownWorker, labelOfWorker } from '../core/known-worker.js';
import { present } from '../core/present.js';
import type { RunView } from '../core/request.js';
import { isWanted, type Piece, type PieceWanted } from '../core/run-piece.js';
import type { LeftBehind } from '../queue/left-behind.js';
import type { Pieces } from '../queue/pieces.js';

export interface RunPartsOptions {
  /** How reports call this process's worker. */
  readonly worker: string;
  /** What this process has of what is wanted. */
  here(wanted: PieceWanted): Promise<Piece | undefined>;
  readonly pieces: Pick<Pieces, 'ask'>;
  /** What the queue knows of a run. */
  find(run: string): Promise<RunView | undefined>;
  /** The report of a run that is kept here. */
  report(run: string): Promise<Report | undefined>;
  knownWorkers(): Promise<readonly KnownWorker[]>;
  readonly left: Pick<LeftBehind, 'seenAt' | 'endOfLog'>;
}

/** Where the rest is that could not be read. */
export interface Elsewhere {
  /** Unknown of a run that has not ended, and whose worker is gone. */
  readonly worker?: string;
  /** When it was last seen, ISO 8601. */
  readonly seenAt?: string;
}

export interface FoundPart {
  readonly piece: Piece;
  /** The process that sent it, which is to send the next one; absent: this one. */
  readonly process?: string;
  readonly elsewhere?: Elsewhere;
}

/** A run that waits may have been begun before, by a worker that has the log of it; most have not. */
const waitingRunMs = 1000;

export class RunParts {
  readonly #options: RunPartsOptions;

  constructor(options: RunPartsOptions) {
    this.#options = options;
  }

  /** `process`: the one that sent the piece before. Errors: `io` of this machine's files. */
  async read(wanted: PieceWanted, process?: string, signal?: AbortSignal): Promise<FoundPart> {
    const { here, pieces } = this.#options;
    const ask = async (whose: object, withinMs?: number): Promise<FoundPart | undefined> =>
      // While the queue is out of reach nobody can be asked.
      pieces.ask(wanted, whose, withinMs, signal).catch((error: unknown) => {
        if (error instanceof FerryError && error.kind === 'network') return undefined;
        throw error;
      });
    const { worker, report, isWaiting } = await this.#lastWorker(wanted.run);
    if (process !== undefined)
      return (await ask({ process })) ?? (await this.#none(wanted, worker, []));
    const isOurs = worker === undefined || worker === this.#options.worker;
    const own = isOurs ? await here(wanted) : undefined;
    if (own !== undefined) return { piece: own };
    const known = await this.#options.knownWorkers().catch(() => []);
    const labels = known.map(labelOfWorker);
    const holder = known.find(({ runs }) => runs.includes(wanted.run));
    const whose = worker ?? (holder && labelOfWorker(holder));
    // Nobody is asked for what only a process has that is gone.
    if (whose === undefined || labels.includes(whose)) {
      const found = await ask(present({ worker: whose }), isWaiting ? waitingRunMs : undefined);
      if (found !== undefined) return found;
    }
    // An earlier attempt may have been made here.
    const earlier = isOurs ? undefined : await here(wanted);
    if (isWaiting) return { piece: earlier ?? nothing(wanted) };
    const none = await this.#none(wanted, whose, known);
    if (earlier !== undefined) return { ...none, piece: earlier };
    return { ...none, piece: await this.#endOfLog(wanted, report) };
  }

  async #none(
    wanted: PieceWanted,
    worker: string | undefined,
    known: readonly KnownWorker[],
  ): Promise<FoundPart> {
    if (worker === undefined) return { piece: nothing(wanted), elsewhere: {} };
    const heard = known.find((one) => labelOfWorker(one) === worker)?.seenAt;
    const seenAt = heard ?? (await this.#options.left.seenAt(worker).catch(() => undefined));
    return { piece: nothing(wanted), elsewhere: present({ worker, seenAt }) };
  }

  /** The last lines of a log, which the store has of a run that did not succeed, and the run's end. */
  async #endOfLog(wanted: PieceWanted, report: Report | undefined): Promise<Piece> {
    const { part, from, limit } = wanted;
    if (report === undefined || from > 0 || (part !== 'all' && part !== 'log'))
      return nothing(wanted);
    const kept = await this.#options.left.endOfLog(report.job, report.run).catch(() => []);
    const end = { event: 'run', time: report.endedAt, ...report };
    const lines = [...kept, JSON.stringify(end)].filter((line) =>
      isWanted(JSON.parse(line), wanted),
    );
    return { ...nothing(wanted), lines: kept.length === 0 ? [] : lines.slice(-limit) };
  }

  /** The worker that made the last attempt, as far as is known. */
  async #lastWorker(run: string) {
    const { report, find } = this.#options;
    const kept = await report(run);
    const view = kept === undefined ? await find(run).catch(() => undefined) : undefined;
    const isWaiting = view?.state === 'waiting' || view?.state === 'delayed';
    const last = kept ?? view?.report;
    return { worker: last?.worker, report: last, isWaiting };
  }
}

function nothing({ from }: PieceWanted): Piece {
  return { lines: [], next: from, more: false };
}
