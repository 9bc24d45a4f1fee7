/**
 * Copies that their mtime can't vouch for. SFTP tells whole seconds, so a file that was read before
 * the second of its mtime was over may change once more within it, and by size and mtime look the
 * same ever after. (git calls such an entry "racily clean".) Each such copy is in doubt until its
 * source has been looked at after that second. Pure; workers/run/remembered/doubts.ts keeps them between runs.
 */
import type { Stat } from '../../core/entry.js';

/** One copy in doubt, and what its source was when it was read. */
export interface Doubt {
  /** The source's path. */
  readonly from: string;
  readonly size: number | undefined;
  /** Seconds, as finely as the source told it. */
  readonly mtime: number;
  /** Whether any later change shows in the source's mtime, as it does where that has a fraction; if not, only the bytes tell what was copied. */
  readonly tells: boolean;
  /** From when on a look at the source is conclusive, ms since the epoch by our clock. */
  readonly until: number;
}

/** Milliseconds by which the source's clock may be behind ours. */
const skew = 2000;
/** Milliseconds within which a system may give two changes the same time, since its clock ticks. */
const tick = 20;

/** Until when (ms) a file of this mtime (s), first seen at `seenAt` (ms), may change without showing it. `precision` is that of compared mtimes, s. */
export function doubtfulUntil(mtime: number, seenAt: number, precision: number): number {
  const unit = Math.max(1, precision) * 1000;
  const end = (Math.floor((mtime * 1000) / unit) + 1) * unit;
  // Whatever the source's clock says, it had reached the mtime when that was seen.
  return Math.min(end, seenAt + unit) + skew;
}

export interface Reading {
  readonly from: string;
  readonly source: Pick<Stat, 'size' | 'mtime'>;
  /** When reading began, before the first byte, ms since the epoch. */
  readonly readAt: number;
  /** When all of it stood at the destination, ms since the epoch. */
  readonly writtenAt: number;
  readonly precision: number;
  /** Whether the destination keeps mtimes; where not, its own counts, and changes within that second don't show. */
  readonly keepsMtime: boolean;
}

/** The doubt about a copy, if there is one. `known` is that about an earlier copy of the same path. */
export function doubtOf(reading: Reading, known: Doubt | undefined): Doubt | undefined {
  const { from, readAt, writtenAt, precision, keepsMtime } = reading;
  const { size, mtime } = reading.source;
  if (mtime === undefined) return undefined; // then nothing ever counts as equal
  const fine = !Number.isInteger(mtime);
  let until = doubtfulUntil(mtime, readAt, precision);
  if (!keepsMtime && fine) until = doubtfulUntil(writtenAt / 1000, writtenAt, precision);
  else if (known?.mtime === mtime && known.size === size) until = known.until;
  if (readAt >= until) return undefined;
  const tells = fine && Math.abs(readAt - mtime * 1000) >= tick;
  return { from, size, mtime, tells, until };
}

/** Whether a look at the source, taken at `at` (ms), ends the doubt: it is gone, or sure to be what was copied, or its size tells. */
export function endsDoubt(doubt: Doubt, now: Stat | undefined, at: number): boolean {
  if (at < doubt.until) return false;
  return now?.size !== doubt.size || (doubt.tells && now?.mtime === doubt.mtime);
}
