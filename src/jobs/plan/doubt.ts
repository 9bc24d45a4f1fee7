/**
 * Copies whose mtime does not prove that they are current. SFTP carries whole seconds, so a file
 * read before the second of its mtime has ended may change again within it and keep the same size
 * and mtime. (git calls such an entry "racily clean".) Such a copy is in doubt until its source has
 * been checked after that second. Pure; workers/run/remembered/doubts.ts keeps doubts between runs.
 */
import type { Stat } from '../../core/entry.js';

/** One copy in doubt, with the state of its source when it was read. */
export interface Doubt {
  /** The source's path. */
  readonly from: string;
  readonly size: number | undefined;
  /** Seconds, as precisely as the source reports it. */
  readonly mtime: number;
  /** Whether any later change shows in the source's mtime, as it does where mtimes have fractions; if not, only the bytes show what was copied. */
  readonly tells: boolean;
  /** From this moment on a check of the source is conclusive; ms since the epoch by our clock. */
  readonly until: number;
}

/** Milliseconds by which the source's clock may be behind ours; beyond that a change may be missed. */
const clockSkewMs = 2000;
/** Milliseconds within which a system may give two changes the same mtime, since its clock advances in ticks. */
const clockTickMs = 20;

/** The moment (ms) until which a file with this mtime (s), first seen at `seenAt` (ms), may change without a new mtime. `precision` is that of compared mtimes, in seconds. */
export function doubtfulUntil(mtime: number, seenAt: number, precision: number): number {
  const unit = Math.max(1, precision) * 1000;
  const end = (Math.floor((mtime * 1000) / unit) + 1) * unit;
  // whatever the source's clock says, it had reached the mtime by then
  return Math.min(end, seenAt + unit) + clockSkewMs;
}

export interface Reading {
  readonly from: string;
  readonly source: Pick<Stat, 'size' | 'mtime'>;
  /** When reading began, before the first byte, ms since the epoch. */
  readonly readAt: number;
  /** When the destination held all of it, ms since the epoch. */
  readonly writtenAt: number;
  readonly precision: number;
  /** Whether the destination keeps mtimes. If not, it shows the time of the copy, and changes within that second do not show. */
  readonly keepsMtime: boolean;
}

/** The doubt about a copy, if there is one. `known` is the doubt about an earlier copy of the same path. */
export function doubtOf(reading: Reading, known: Doubt | undefined): Doubt | undefined {
  const { from, readAt, writtenAt, precision, keepsMtime } = reading;
  const { size, mtime } = reading.source;
  if (mtime === undefined) return undefined; // without an mtime no copy counts as equal
  const fine = !Number.isInteger(mtime);
  let until = doubtfulUntil(mtime, readAt, precision);
  if (!keepsMtime && fine) until = doubtfulUntil(writtenAt / 1000, writtenAt, precision);
  else if (known?.mtime === mtime && known.size === size) until = known.until;
  if (readAt >= until) return undefined;
  const tells = fine && Math.abs(readAt - mtime * 1000) >= clockTickMs;
  return { from, size, mtime, tells, until };
}

/** Whether a check of the source, made at `at` (ms), ends the doubt: the source is gone, is certainly what was copied, or differs in size. */
export function endsDoubt(doubt: Doubt, now: Stat | undefined, at: number): boolean {
  if (at < doubt.until) return false;
  return now?.size !== doubt.size || (doubt.tells && now?.mtime === doubt.mtime);
}
