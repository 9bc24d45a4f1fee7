/** Waiting for the end of runs, wherever they are carried out: by what the queue reports, and by looking again now and then. */
import { unlessAborted } from '../core/abort.js';
import type { Report } from '../core/events.js';
import type { RunView } from '../core/request.js';

export interface RunEndsParts {
  /** Whether a run has not ended, as far as this process has heard. */
  isUnfinished(run: string): boolean;
  /** What the queue knows of a run. */
  find(run: string): Promise<RunView | undefined>;
  /** The report of a run that is kept here. */
  report(run: string): Promise<Report | undefined>;
}

/** A run is looked at again after this time: the message of its end may have been lost. */
const lookAgainMs = 2000;
/** A run that was in the queue and is not any more is given up after this time: its entry may be added again. */
const goneForMs = 30_000;

export class RunEnds {
  readonly #parts: RunEndsParts;
  /** By run: what is called when it ends. */
  readonly #listeners = new Map<string, Set<(report?: Report) => void>>();

  constructor(parts: RunEndsParts) {
    this.#parts = parts;
  }

  /** A run has ended; `report`: that of its last attempt, where it is at hand. */
  ended(run: string, report?: Report): void {
    for (const listener of this.#listeners.get(run) ?? []) listener(report);
  }

  /** Resolves with the report of the run's last attempt once it has ended; undefined when nobody knows the run. Rejects with the signal's reason. */
  async endOf(run: string, signal: AbortSignal): Promise<Report | undefined> {
    let seenAt = Number.NEGATIVE_INFINITY;
    let isAwaited = this.#parts.isUnfinished(run);
    for (;;) {
      signal.throwIfAborted();
      // listens before it looks, so that an end in between is not missed
      const next = this.#nextEnd(run);
      try {
        // Of one that is known to go on the end is heard, unless its message is lost.
        if (!isAwaited) {
          const view = await this.#parts.find(run);
          // A report kept here may be of an attempt that others follow: the queue knows better.
          if (view === undefined) {
            const kept = await this.#parts.report(run);
            if (kept !== undefined || performance.now() - seenAt > goneForMs) return kept;
          } else seenAt = performance.now();
          if (view?.state === 'ended') {
            const report = await this.#wholeOf(view);
            if (report !== undefined) return report;
          }
        }
        isAwaited = false;
        const report = await unlessAborted(next.come, signal);
        if (report !== undefined) return report;
      } finally {
        next.forget();
      }
    }
  }

  /** The report of an ended run: the queue's, or the one kept here where the queue has a part of it or none. */
  async #wholeOf({ run, report }: RunView): Promise<Report | undefined> {
    if (report !== undefined && report.cut === undefined) return report;
    const kept = await this.#parts.report(run);
    // One kept here may be of an earlier attempt.
    return report !== undefined && kept?.endedAt !== report.endedAt ? report : kept;
  }

  /** `come` resolves when the run has ended, to its report if that came along, or after a while in any case. */
  #nextEnd(run: string): { readonly come: Promise<Report | undefined>; forget(): void } {
    let forget = () => {};
    const come = new Promise<Report | undefined>((resolve) => {
      const timer = setTimeout(resolve, lookAgainMs, undefined);
      const listeners = this.#listeners.get(run) ?? new Set();
      this.#listeners.set(run, listeners.add(resolve));
      forget = () => {
        clearTimeout(timer);
        listeners.delete(resolve);
        if (listeners.size === 0) this.#listeners.delete(run);
      };
    });
    return { come, forget };
  }
}
