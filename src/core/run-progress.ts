/** How far a run is, as its worker says it to other processes, and the API to whoever watches. Pure. */
import type { Progress } from './events.js';
import type { View } from './meter.js';
import { present } from './present.js';

export interface RunProgress extends Omit<Progress, 'event'> {
  readonly run: string;
  readonly job: string;
  /** Bytes a second over the last seconds; absent while too little is known. */
  readonly rate?: number;
  /** Absent while too little is known. */
  readonly secondsLeft?: number;
  /** The path that was done last; of a long one its end, after `…`. */
  readonly path?: string;
}

/** Bytes of its JSON; a path that does not fit loses its beginning. */
export const mostProgressBytes = 512;

/** `path`: the one that was done last. */
export function runProgress(
  { run, job }: { readonly run: string; readonly job: string },
  { progress, rate, left }: View,
  path: string | undefined,
): RunProgress {
  const { phase, scanned, files, bytes } = progress;
  const known = {
    ...{ run, job, phase, scanned, files, bytes },
    ...present({
      rate: rate === undefined ? undefined : Math.max(0, Math.round(rate)),
      secondsLeft: left === undefined ? undefined : Math.round(left / 1000),
    }),
  };
  if (path === undefined) return known;
  const room = mostProgressBytes - bytesOf({ ...known, path: '' });
  const shown = endOf(path, room);
  return shown === '' ? known : { ...known, path: shown };
}

/** The text if its JSON fits into so many bytes, else `…` and as much of its end as fits. */
function endOf(text: string, room: number): string {
  if (bytesOf(text) - 2 <= room) return text;
  const kept: string[] = [];
  let left = room - Buffer.byteLength('…');
  for (const char of [...text.slice(-room)].reverse()) {
    left -= bytesOf(char) - 2;
    if (left < 0) break;
    kept.push(char);
  }
  return kept.length === 0 ? '' : `…${kept.reverse().join('')}`;
}

function bytesOf(value: unknown): number {
  return Buffer.byteLength(JSON.stringify(value));
}
