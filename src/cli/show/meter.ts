/** The progress of a run in words. Pure. block.ts draws it. */
import type { Progress } from '../../core/events.js';
import type { View } from '../../core/meter.js';
import { count, formatBytes, formatDuration, grouped } from '../../core/text.js';

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
