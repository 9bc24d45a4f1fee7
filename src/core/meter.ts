/** The rate of a run and the time left, from its totals. Pure: the time is passed in. */
import type { Progress } from './events.js';

export interface View {
  readonly progress: Progress;
  /** Bytes a second over the last seconds; undefined while too little is known. */
  readonly rate: number | undefined;
  /** Milliseconds left; undefined while too little is known. */
  readonly left: number | undefined;
}

/** The rate is that of the last `rateSpanMs`, from samples at least `sampleEveryMs` apart. */
const rateSpanMs = 8000;
const sampleEveryMs = 250;
/** A rate over a shorter time is noise and is not shown. */
const shortestSpanMs = 1000;
/** The time left follows a new rate within about three times this. */
const steadyMs = 5000;
/** A longer time left is no estimate but a moment in which little moved; it is not shown. */
const longestLeftSeconds = 24 * 60 * 60;

/** Keeps the latest totals of a run and computes its rate and the time left. */
export class Meter {
  #latest: Progress | undefined;
  /** The time left as it was shown at a moment; undefined while too little is known. */
  #left: { readonly at: number; readonly ms: number } | undefined;
  #samples: { readonly at: number; readonly bytes: number; readonly files: number }[] = [];

  /** `now` in milliseconds. */
  update(progress: Progress, now: number): void {
    if (this.#latest !== undefined && this.#latest.phase !== progress.phase) {
      this.#samples = [];
      this.#left = undefined;
    }
    this.#latest = progress;
    const samples = this.#samples;
    const last = samples.at(-1);
    if (last !== undefined && now - last.at < sampleEveryMs) return;
    samples.push({ at: now, bytes: progress.bytes.done, files: progress.files.done });
    while (samples.length > 2 && now - (samples[0]?.at ?? now) > rateSpanMs) samples.shift();
    this.#steady(now);
  }

  /** Moves the time left towards what the rate says now, so that it counts down and does not leap. */
  #steady(now: number): void {
    const ms = this.#estimate(now)?.left;
    const last = this.#left;
    if (ms === undefined) this.#left = undefined;
    else if (last === undefined) this.#left = { at: now, ms };
    else {
      const expected = last.ms - (now - last.at);
      const share = 1 - Math.exp((last.at - now) / steadyMs);
      this.#left = { at: now, ms: expected + (ms - expected) * share };
    }
  }

  /** The latest totals with rate and time left; undefined before the first `update`. */
  view(now: number): View | undefined {
    const view = this.#estimate(now);
    const steady = this.#left;
    if (view?.left === undefined || view.left === 0 || steady === undefined) return view;
    return { ...view, left: Math.max(0, steady.ms - (now - steady.at)) };
  }

  #estimate(now: number): View | undefined {
    const progress = this.#latest;
    if (progress === undefined) return undefined;
    const first = this.#samples[0];
    const { bytes, files } = progress;
    const moves = progress.phase === 'transfer' || progress.phase === 'check';
    if (!moves || first === undefined || now - first.at < shortestSpanMs) {
      return { progress, rate: undefined, left: undefined };
    }
    const seconds = (now - first.at) / 1000;
    const rate = (bytes.done - first.bytes) / seconds;
    if (progress.phase === 'check') return { progress, rate, left: undefined };
    const fileRate = (files.done - first.files) / seconds;
    // Small files take their time by number, large ones by size: the longer estimate counts.
    const estimates = [
      [bytes.total - bytes.done, rate],
      [files.total - files.done, fileRate],
    ].map(([rest = 0, speed = 0]) => (rest <= 0 ? 0 : speed > 0 ? rest / speed : Infinity));
    // While a single large file is copied no file is completed: then bytes alone count.
    const secondsLeft = fileRate > 0 ? Math.max(...estimates) : (estimates[0] ?? Infinity);
    return {
      progress,
      rate,
      left: secondsLeft <= longestLeftSeconds ? secondsLeft * 1000 : undefined,
    };
  }
}
