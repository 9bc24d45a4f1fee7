/** How far a run is, in words: pure but for the clock handed in. Drawing is block.ts's. */
import type { Progress } from '../../core/events.js';
import { count, formatBytes, formatDuration, grouped } from '../../core/text.js';

export interface Meter {
  /** Takes in the totals so far; `now` in milliseconds. */
  update(progress: Progress, now: number): void;
  /** The latest totals with rate and time left; undefined before the first. */
  view(now: number): View | undefined;
}

export interface View {
  readonly progress: Progress;
  /** Bytes a second over the last seconds; undefined while too little is known. */
  readonly rate: number | undefined;
  /** Milliseconds; undefined while too little is known. */
  readonly left: number | undefined;
}

/** Milliseconds the rate is taken over, and between two samples of it. */
const span = 8000;
const step = 250;
/** Below this the rate is noise. */
const enough = 1000;

export function createMeter(): Meter {
  let latest: Progress | undefined;
  let samples: { readonly at: number; readonly bytes: number; readonly files: number }[] = [];

  return {
    update(progress, now) {
      if (latest !== undefined && latest.phase !== progress.phase) samples = [];
      latest = progress;
      const last = samples.at(-1);
      if (last !== undefined && now - last.at < step) return;
      samples.push({ at: now, bytes: progress.bytes.done, files: progress.files.done });
      while (samples.length > 2 && now - (samples[0]?.at ?? now) > span) samples.shift();
    },
    view(now) {
      if (latest === undefined) return undefined;
      const first = samples[0];
      const { bytes, files } = latest;
      if (latest.phase !== 'transfer' || first === undefined || now - first.at < enough) {
        return { progress: latest, rate: undefined, left: undefined };
      }
      const seconds = (now - first.at) / 1000;
      const rate = (bytes.done - first.bytes) / seconds;
      const fileRate = (files.done - first.files) / seconds;
      // Many small files take their time by number, large ones by size: the slower tells.
      const waits = [
        [bytes.total - bytes.done, rate],
        [files.total - files.done, fileRate],
      ].map(([rest = 0, speed = 0]) => (rest <= 0 ? 0 : speed > 0 ? rest / speed : Infinity));
      // While a single large file is on its way no file is ever done: then bytes alone tell.
      const wait = fileRate > 0 ? Math.max(...waits) : (waits[0] ?? Infinity);
      return {
        progress: latest,
        rate,
        left: Number.isFinite(wait) ? wait * 1000 : undefined,
      };
    },
  };
}

const phases = { scan: 'comparing', transfer: 'copying', delete: 'deleting' } as const;

/** One line without a bar, for logs: `nightly: copying, 12 of 40 files, 1.2 MiB of 4.0 MiB, 300 KiB/s, 9.3 s left`. */
export function progressLine(job: string, { progress, rate, left }: View): string {
  return [`${job}: ${phases[progress.phase]}`, ...facts(progress, rate, left)].join(', ');
}

/**
 * Two lines of at most `columns` characters: the facts, of which the last ones are left out where
 * they don't fit, and a bar once the total is known.
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
  const list = [`${grouped(files.done)} of ${count(files.total, 'file')}`];
  if (phase === 'delete') return list;
  list.push(`${formatBytes(bytes.done)} of ${formatBytes(bytes.total)}`);
  if (rate !== undefined) list.push(`${formatBytes(Math.round(rate))}/s`);
  if (left !== undefined) list.push(`${formatDuration(left)} left`);
  return list;
}

/** 0 to 1: bytes where there are any, else files. */
function shareDone({ phase, files, bytes }: Progress): number | undefined {
  if (phase === 'scan') return undefined;
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
