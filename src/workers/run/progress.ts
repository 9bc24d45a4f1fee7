/** How far the copies are, told a few times a second, and the watch for a transfer that stands still. */
import { FerryError } from '../../core/errors.js';
import type { Emit } from '../../core/events.js';
import type { Job } from '../../core/job.js';
import type { Copy, Link, Plan } from '../../jobs/plan/plan.js';
import type { Tally } from './tally.js';

interface Watched {
  readonly job: Job;
  readonly plan: Plan;
  readonly tally: Tally;
  readonly emit: Emit;
}

/** Milliseconds between two progress events, and between two looks for a standstill. */
const tick = 200;

/** Progress of the copies, and the watch for a transfer that stands still. */
export class TransferProgress {
  readonly #request: Watched;
  readonly #timer: NodeJS.Timeout;
  #files = { done: 0, total: 0 };
  #bytes = { done: 0, total: 0 };
  #last = performance.now();

  constructor(request: Watched, stop: AbortController) {
    this.#request = request;
    const { from, to } = request.job;
    const stalls = [from.remote?.stall, to.remote?.stall].filter((ms) => ms !== undefined);
    const stall = Math.min(...stalls);
    this.#timer = setInterval(() => {
      this.#tell();
      if (performance.now() - this.#last > stall)
        stop.abort(
          new FerryError('network', `nothing has moved for ${stall / 1000} s`, {
            code: 'ETIMEDOUT',
            hint: 'run it again; raise `stall` of the remote if it is only slow',
          }),
        );
    }, tick);
    this.#timer.unref();
  }

  start(copies: readonly (Copy | Link)[]): void {
    this.#files.total += copies.length;
    for (const copy of copies)
      if (copy.action === 'copy') this.#bytes.total += copy.source.size ?? 0;
    this.#tell();
  }

  /** Nothing stands still, though nothing may have moved. */
  alive(): void {
    this.#last = performance.now();
  }

  bytes(bytes: number): void {
    this.#bytes.done += bytes;
    this.alive();
  }

  step(): void {
    this.#files.done = Math.min(this.#files.done + 1, this.#files.total);
    this.alive();
  }

  end(): void {
    clearInterval(this.#timer);
    this.#tell();
  }

  #tell(): void {
    const { plan, tally, emit } = this.#request;
    emit({
      event: 'progress',
      phase: this.#files.done < this.#files.total ? 'transfer' : 'delete',
      scanned: plan.unchanged,
      files: { done: tally.copied, total: this.#files.total },
      bytes: { ...this.#bytes },
    });
  }
}
