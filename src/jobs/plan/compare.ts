/** Decides whether a destination's file equals the source's. Pure: where bytes must be compared, the scan does it. */
import type { Stat } from '../../core/entry.js';
import type { Job } from '../../core/job.js';
import { type MtimeHabit, storedAs } from '../../core/mtime-habit.js';
import type { Doubt } from './doubt.js';

export interface CompareRules {
  readonly compare: Job['compare'];
  readonly existing: Job['existing'];
  /** The coarser side's granularity of mtimes, seconds. */
  readonly mtimePrecision: number;
  /** How the destination was found to store mtimes; absent: as given. */
  readonly mtimeHabit?: MtimeHabit;
  /** Whether the destination keeps the mtimes it is given. */
  readonly keepsMtime: boolean;
  /** The destination's clock minus ours, seconds; used only where the destination keeps no mtime. */
  readonly clockOffset: number;
}

/** The mtime that a copy was sent with and the one that its destination stored instead, whole seconds. */
export interface StoredTime {
  readonly sent: number;
  readonly stored: number;
}

/** What is known of a destination's file from its copy. */
export interface CopyKnown {
  /** Where the copy is in doubt. */
  readonly doubt?: Doubt | undefined;
  /** Where another mtime was stored than was sent. */
  readonly time?: StoredTime | undefined;
}

export type Comparison =
  /** Nothing to do. */
  | { readonly is: 'equal' }
  /** The bytes differ, or are taken to differ. */
  | { readonly is: 'different'; readonly reason: string }
  /** Sizes and mtimes do not decide; the bytes must be compared. */
  | { readonly is: 'undecided' }
  /** The same bytes under another mtime. */
  | { readonly is: 'attrs' }
  /** The file differs, but `existing` keeps the destination's. */
  | { readonly is: 'kept'; readonly reason: string };

/** SFTP version 3 carries mtimes as unsigned 32-bit seconds (draft-ietf-secsh-filexfer-02 §5). */
const latestMtimeSeconds = 0xffff_ffff;

/** An mtime in whole units of `precision` seconds, rounded down, clamped to what the protocol can carry. */
export function comparable(mtime: number, precision: number): number {
  const unit = Math.max(1, precision);
  return Math.floor(Math.min(Math.max(Math.floor(mtime), 0), latestMtimeSeconds) / unit);
}

const equal: Comparison = { is: 'equal' };

/** Compares two files. Either side may lack a size or an mtime. */
export function compareFiles(
  source: Stat,
  destination: Stat,
  rules: CompareRules,
  { doubt, time }: CopyKnown = {},
): Comparison {
  if (rules.existing === 'skip') return { is: 'kept', reason: 'existing: skip' };
  const result = compareBytes(source, destination, rules, time);
  if (result.is === 'equal' && doubt !== undefined && rules.compare !== 'size')
    return compareToCopied(source, doubt);
  return result.is === 'equal' || mayReplace(source, destination, rules, time)
    ? result
    : { is: 'kept', reason: 'existing: newer, and the destination is not older' };
}

/** Whether `existing` allows the source's file or link to replace the destination's. */
export function mayReplace(
  source: Stat,
  destination: Stat,
  rules: CompareRules,
  time?: StoredTime,
): boolean {
  return (
    rules.existing === 'overwrite' ||
    (rules.existing === 'newer' && order(source, destination, rules, time) > 0)
  );
}

/** The result for an undecided pair once its bytes have been compared. */
export function decide(
  sameBytes: boolean,
  source: Stat,
  destination: Stat,
  rules: CompareRules,
  time?: StoredTime,
): Comparison {
  if (!sameBytes) return { is: 'different', reason: 'content' };
  const sameTime = order(source, destination, rules, time) === 0;
  return sameTime || !rules.keepsMtime ? equal : { is: 'attrs' };
}

/** Size and second agree but prove nothing: compare with what was copied. If the source has sub-second mtimes, copy again rather than read the destination, which may not be readable. */
function compareToCopied({ mtime }: Stat, doubt: Doubt): Comparison {
  if (mtime === undefined || Number.isInteger(mtime)) return { is: 'undecided' };
  if (!doubt.tells) return { is: 'different', reason: 'in doubt' };
  if (mtime === doubt.mtime) return equal;
  return { is: 'different', reason: mtime > doubt.mtime ? 'newer' : 'older' };
}

function compareBytes(
  source: Stat,
  destination: Stat,
  rules: CompareRules,
  time: StoredTime | undefined,
): Comparison {
  const { size } = source;
  if (size === undefined || destination.size === undefined) {
    // without sizes only the bytes decide, and only if the job asks for that
    return rules.compare === 'checksum'
      ? { is: 'undecided' }
      : { is: 'different', reason: 'size unknown' };
  }
  if (size !== destination.size) return { is: 'different', reason: 'size' };
  switch (rules.compare) {
    case 'size':
      return equal;
    case 'checksum':
      return { is: 'undecided' };
    default:
      return compareTimes(source, destination, rules, time);
  }
}

function compareTimes(
  source: Stat,
  destination: Stat,
  rules: CompareRules,
  time: StoredTime | undefined,
): Comparison {
  if (source.mtime === undefined || destination.mtime === undefined)
    return { is: 'different', reason: 'mtime unknown' };
  const sign = order(source, destination, rules, time);
  if (sign === 0) return equal;
  // the destination's mtime is the time of the copy, so later is as expected
  const mtimeCounts = rules.keepsMtime || isStill(destination, time);
  if (sign < 0 && rules.compare === 'auto' && !mtimeCounts) return equal;
  return { is: 'different', reason: sign > 0 ? 'newer' : 'older' };
}

/**
 * Positive if the source is newer, 0 if both are equal or one has no mtime. What the destination is
 * known to have stored decides first, then its habit. Where it keeps no mtime, its file's mtime comes
 * from its own clock and is compared in whole seconds.
 */
function order(
  source: Stat,
  destination: Stat,
  rules: CompareRules,
  time: StoredTime | undefined,
): number {
  if (source.mtime === undefined || destination.mtime === undefined) return 0;
  if (time !== undefined && isStill(destination, time)) return Math.floor(source.mtime) - time.sent;
  if (!rules.keepsMtime)
    return comparable(source.mtime, 1) - comparable(destination.mtime - rules.clockOffset, 1);
  const { mtimeHabit: habit, mtimePrecision } = rules;
  const precision = Math.max(mtimePrecision, habit?.step ?? 1);
  const expected = habit === undefined ? source.mtime : storedAs(source.mtime, habit);
  return comparable(expected, precision) - comparable(destination.mtime, precision);
}

/** Whether the destination's file still has the mtime that was stored when it was copied. */
function isStill({ mtime }: Stat, time: StoredTime | undefined): boolean {
  return time !== undefined && mtime !== undefined && Math.floor(mtime) === time.stored;
}
