/** Reports the progress of the copies a few times a second, and ends a transfer that has stalled. */
import { FerryError } from '../../core/errors.js';
import type { Emit } from '../../core/events.js';
import type { Job } from '../../core/job.js';
import type { Copy, Link, Plan } from '../../jobs/plan/plan.js';
import type { Tally } from './tally.js';

interface ProgressParts {
  readonly job: Job;
  readonly plan: Plan;
  readonly tally: Tally;
  readonly emit: Emit;
}

/** Milliseconds between two progress events, and between two checks for a stall. */
const reportEveryMs = 200;

/** `stop` is aborted with an error if nothing moves for as long as `stall` of a remote. */
export class TransferProgress {
  readonly #parts: ProgressParts;
  readonly #timer: NodeJS.Timeout;
  #files = { done: 0, total: 0 };
  #bytes = { done: 0, total: 0 };
  #last = performance.now();

  constructor(parts: ProgressParts, stop: AbortController) {
    this.#parts = parts;
    const { from, to } = parts.job;
    const stalls = [from.remote?.stallTimeout, to.remote?.stallTimeout].filter(
      (ms) => ms !== undefined,
    );
    const stallMs = Math.min(...stalls);
    this.#timer = setInterval(() => {
      this.#report();
      if (performance.now() - this.#last > stallMs)
        stop.abort(
          new FerryError('network', `nothing was transferred for ${stallMs / 1000} s`, {
            code: 'ETIMEDOUT',
            hint: 'run it again; raise `stallTimeout` of the remote if the remote is only slow',
          }),
        );
    }, reportEveryMs);
    this.#timer.unref();
  }

  start(copies: readonly (Copy | Link)[]): void {
    this.#files.total += copies.length;
    for (const copy of copies)
      if (copy.action === 'copy') this.#bytes.total += copy.source.size ?? 0;
    this.#report();
  }

  /** Resets the stall timer: the transfer works, even if no bytes moved. */
  alive(): void {
    this.#last = performance.now();
  }

  bytes(bytes: number): void {
    this.#bytes.done += bytes;
    this.alive();
  }

  /** A copy had this many bytes more than the plan counted, or fewer. */
  resize(bytes: number): void {
    this.#bytes.total += bytes;
  }

  /** A copy whose source file has vanished counts no more. */
  drop(bytes: number): void {
    this.#bytes.total -= bytes;
    this.#files.total--;
    this.#files.done--;
  }

  step(): void {
    this.#files.done = Math.min(this.#files.done + 1, this.#files.total);
    this.alive();
  }

  end(): void {
    clearInterval(this.#timer);
    this.#report();
  }

  #report(): void {
    const { plan, tally, emit } = this.#parts;
    emit({
      event: 'progress',
      phase: this.#files.done < this.#files.total ? 'transfer' : 'delete',
      scanned: plan.unchanged,
      files: { done: tally.copied, total: this.#files.total },
      bytes: { ...this.#bytes },
    });
  }
}
