/** Shows progress while it goes on: as a block that is redrawn in place, or as a line now and then. */
import type { Progress } from '../../core/events.js';
import { Meter } from '../../core/meter.js';
import { progressBlock, progressLine } from './meter.js';
import type { Output } from './output.js';

/** Time between two lines of progress when no block can be drawn. */
const progressLineEveryMs = 30_000;

export class ProgressDisplay {
  readonly #output: Output;
  readonly #job: string;
  readonly #meter = new Meter();
  #timer: NodeJS.Timeout | undefined;

  /** `job` is its name for people. */
  constructor(output: Output, job: string) {
    this.#output = output;
    this.#job = job;
  }

  update(progress: Progress): void {
    this.#meter.update(progress, Date.now());
    if (this.#timer !== undefined) return;
    const { block } = this.#output;
    block?.set((columns) => {
      const view = this.#meter.view(Date.now());
      return view === undefined ? [] : progressBlock(this.#job, view, columns);
    });
    this.#timer = setInterval(() => {
      const view = this.#meter.view(Date.now());
      if (block === undefined && view !== undefined)
        this.#output.note(progressLine(this.#job, view));
    }, progressLineEveryMs);
    this.#timer.unref();
  }

  /** Stops drawing and timers. */
  end(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#output.block?.end();
  }
}
