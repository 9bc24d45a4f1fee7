/** The progress of a run in words. Pure: the time is passed in. block.ts draws it. */
import type { Progress } from '../../core/events.js';
import { count, formatBytes, formatDuration, grouped } from '../../core/text.js';

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

const phases = {
  scan: 'comparing',
  transfer: 'copying',
  delete: 'deleting',
  check: 'checking',
} as const;

/** One line without a bar, for logs: `nightly: copying, 12 of 40 files, 1.2 MiB of 4.0 MiB, 300 KiB/s, 9.3 s left`. */
export function progressLine(job: string, { progress, rate, left }: View): string {
  return [`${job}: ${phases[progress.phase]}`, ...facts(progress, rate, left)].join(', ');
}

/**
 * At most two lines of at most `columns` characters: the facts, without the last ones if they do not
 * fit, and a bar once the total is known.
 */
export function progressBlock(
  job: string,
  { progress, rate, left }: View,
  columns: number,
): readonly string[] {
  let line = cut(`${job}  ${phases[progress.phase]}`, columns);
  for (const fact of facts(progress, rate, left)) {
    if (line.length + 2 + fact.length > columns) break;
    line += `  ${fact}`;
  }
  const share = shareDone(progress);
  return share === undefined ? [line] : [line, bar(share, columns)];
}

function facts(
  { phase, scanned, files, bytes }: Progress,
  rate: number | undefined,
  left: number | undefined,
): string[] {
  if (phase === 'scan') return [`${count(scanned, 'entry', 'entries')} so far`];
  if (phase === 'check') {
    const read = [`${count(files.done, 'file')} read`, formatBytes(bytes.done)];
    if (rate !== undefined) read.push(`${formatBytes(Math.round(rate))}/s`);
    return read;
  }
  const list = [`${grouped(files.done)} of ${count(files.total, 'file')}`];
  if (phase === 'delete') return list;
  list.push(`${formatBytes(bytes.done)} of ${formatBytes(bytes.total)}`);
  if (rate !== undefined) list.push(`${formatBytes(Math.round(rate))}/s`);
  if (left !== undefined) list.push(`${formatDuration(left)} left`);
  return list;
}

/** From 0 to 1, by bytes if there are any to copy, else by files; undefined while the total is unknown. */
function shareDone({ phase, files, bytes }: Progress): number | undefined {
  if (phase === 'scan' || phase === 'check') return undefined;
  const { done, total } = phase === 'transfer' && bytes.total > 0 ? bytes : files;
  return total === 0 ? undefined : Math.min(1, done / total);
}

function bar(share: number, columns: number): string {
  const percent = `${Math.floor(share * 100)} %`.padStart(6);
  const width = Math.min(60, columns - percent.length - 2);
  const full = Math.floor(share * width);
  return `[${'#'.repeat(full)}${'-'.repeat(width - full)}]${percent}`;
}

function cut(text: string, columns: number): string {
  return text.length <= columns ? text : `${text.slice(0, columns - 1)}…`;
}
