/**
 * What stays on a worker, asked for through the store: no worker needs a port that others can reach. The
 * question goes to all processes; the one that has it puts the piece into the queue `ferryline-pieces` under the
 * question's id, and says so. Who asked takes it out, and then asks for the next one.
 */
import { randomUUID } from 'node:crypto';
import { Queue } from 'bullmq';
import { unlessAborted } from '../core/abort.js';
import type { Piece, PieceWanted } from '../core/run-piece.js';
import { answered } from './answered.js';
import type { Signals } from './signals.js';
import { keepEvents, type Store } from './store/store.js';

/** Who is asked; without either, whoever has it. */
interface Whose {
  /** The worker that carried the run out, as its report names it. */
  readonly worker?: string;
  /** The process that sent the piece before. */
  readonly process?: string;
}

export interface PiecesParts {
  readonly store: Store;
  readonly signals: Pick<Signals, 'send' | 'on'>;
  /** This process's id. */
  readonly process: string;
  /** How reports call this process's worker. */
  readonly worker: string;
  /** What this process has of what is wanted. */
  readonly here: (wanted: PieceWanted) => Promise<Piece | undefined>;
  readonly onError: (error: Error) => void;
}

export interface Pieces {
  /** Resolves to undefined when nobody has answered within `withinMs`, and on an embedded store. Errors: `network`. */
  ask(
    wanted: PieceWanted,
    whose: Whose,
    withinMs?: number,
    signal?: AbortSignal,
  ): Promise<{ readonly piece: Piece; readonly process: string } | undefined>;
  close(): Promise<void>;
}

/** A process that has not answered by then is gone, or is of a version that does not answer. */
const answerWithinMs = 5000;
/** What nobody has taken by then is taken away by who put it there. */
const takenWithinMs = 15_000;
/** What is older was left by a process that died. */
const leftAfterMs = 60_000;
const mostLeft = 1000;

/** Answers the other processes' questions from now on. */
export function openPieces(parts: PiecesParts): Pieces {
  if (parts.store.kind === 'embedded') return { ask: async () => undefined, async close() {} };
  return new SharedPieces(parts);
}

class SharedPieces implements Pieces {
  readonly #parts: PiecesParts;
  readonly #queue: Queue<Piece>;
  readonly #questions = new Map<string, (process: string) => void>();
  readonly #timers = new Set<NodeJS.Timeout>();

  constructor(parts: PiecesParts) {
    const { store, signals, process, worker, onError } = parts;
    this.#parts = parts;
    this.#queue = new Queue<Piece>(
      store.queueName('pieces'),
      { ...store.options(), ...keepEvents(10) },
      store.backend,
    );
    this.#queue.on('error', onError);
    signals.on('pieceAsked', (asked, isOurs) => {
      if (isOurs || (asked.process ?? process) !== process) return;
      if ((asked.worker ?? worker) !== worker) return;
      void this.#answer(asked.question, JSON.parse(asked.wanted)).catch(onError);
    });
    signals.on('pieceReady', ({ question, process: from }) =>
      this.#questions.get(question)?.(from),
    );
    void this.#queue.clean(leftAfterMs, mostLeft, 'wait').catch(() => {});
  }

  async ask(
    wanted: PieceWanted,
    whose: Whose,
    withinMs = answerWithinMs,
    signal = new AbortController().signal,
  ) {
    const question = randomUUID();
    let late: NodeJS.Timeout | undefined;
    const ready = new Promise<string | undefined>((resolve) => {
      this.#questions.set(question, resolve);
      late = setTimeout(resolve, withinMs, undefined);
    });
    try {
      const text = JSON.stringify(wanted);
      await this.#parts.signals.send('pieceAsked', { question, wanted: text, ...whose });
      const process = await unlessAborted(ready, signal);
      if (process === undefined) return undefined;
      const entry = await answered(this.#queue.getJob(question));
      if (entry === undefined) return undefined;
      await answered(this.#queue.remove(question));
      return { piece: entry.data, process };
    } finally {
      clearTimeout(late);
      this.#questions.delete(question);
    }
  }

  async close(): Promise<void> {
    for (const timer of this.#timers) clearTimeout(timer);
    await this.#queue.close();
  }

  async #answer(question: string, wanted: PieceWanted): Promise<void> {
    const { signals, process, here } = this.#parts;
    const piece = await here(wanted);
    if (piece === undefined) return;
    // Of two that answer the first one counts: an id is added once.
    await answered(this.#queue.add('piece', piece, { jobId: question }));
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      void answered(this.#queue.remove(question)).catch(() => {});
    }, takenWithinMs).unref();
    this.#timers.add(timer);
    await signals.send('pieceReady', { question, process });
  }
}
