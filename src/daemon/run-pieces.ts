/** What this process has of what is kept of runs, piece by piece: for its own API, and for others that ask. */
import { hostname } from 'node:os';
import { labelOfWorker } from '../core/known-worker.js';
import { type Piece, type PieceWanted, pieceOf, withoutFailures } from '../core/run-piece.js';
import { readPiece } from '../observe/read-piece.js';
import { runLogPath, runPlanPath } from '../observe/run-log-files.js';
import type { OpenQueue } from '../queue/open.js';
import { openPieces } from '../queue/pieces.js';
import { RunParts } from '../server/run-parts.js';
import type { IndexedReports } from '../state/indexed-reports.js';
import type { RunWorker } from '../workers/worker.js';

interface RunPiecesParts {
  readonly state: string;
  readonly reports: Pick<IndexedReports, 'read'>;
  /** Whether the run is in hand here: its log may not have begun. */
  readonly isActive: (run: string) => boolean;
}

/** Resolves to undefined for what is not kept here. Errors: `io`; `config` for text that is no run id. */
function runPieces({ state, reports, isActive }: RunPiecesParts) {
  return async (wanted: PieceWanted): Promise<Piece | undefined> => {
    const { run, part } = wanted;
    if (part === 'failures' || part === 'report') {
      const report = await reports.read(run);
      // What came through the queue is not the whole one.
      if (report === undefined || report.cut === true) return undefined;
      return pieceOf(part === 'failures' ? report.failures : [withoutFailures(report)], wanted);
    }
    const plan = part === 'plan' ? await readPiece(runPlanPath(state, run), wanted) : undefined;
    const found = plan ?? (await readPiece(runLogPath(state, run), wanted));
    return found ?? (isActive(run) ? { lines: [], next: 0, more: false } : undefined);
  };
}

interface OpenRunPartsParts extends Pick<RunPiecesParts, 'state' | 'reports'> {
  readonly queue: OpenQueue;
  readonly names: readonly string[];
  readonly worker: Pick<RunWorker, 'active'>;
}

/** Reads what is kept of runs here or elsewhere, and answers the other processes' questions from now on. */
export function openRunParts({ queue, names, worker, ...parts }: OpenRunPartsParts) {
  const { store, signals, runs, left } = queue;
  const here = runPieces({
    ...parts,
    isActive: (run) => worker.active().some((request) => request.run === run),
  });
  const label = labelOfWorker({ names, host: hostname() });
  const pieces = openPieces({
    ...{ store, signals, here },
    process: queue.workers.id,
    worker: label,
    onError: (error) => store.suspect(error),
  });
  const runParts = new RunParts({
    ...{ worker: label, here, pieces, left },
    find: (run) => runs.find(run),
    report: (run) => parts.reports.read(run),
    knownWorkers: () => queue.knownWorkers(),
  });
  return { runParts, pieces };
}
