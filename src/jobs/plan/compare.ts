/** Decides whether a destination's file equals the source's. Pure: where bytes must be compared, the scan does it. */
import type { Stat } from '../../core/entry.js';
import type { Job } from '../../core/job.js';
import type { Doubt } from './doubt.js';

export interface CompareRules {
  readonly compare: Job['compare'];
  readonly existing: Job['existing'];
  /** The coarser side's granularity of mtimes, seconds. */
  readonly mtimePrecision: number;
  /** Whether the destination keeps the mtimes it is given. */
  readonly keepsMtime: boolean;
  /** The destination's clock minus ours, seconds; used only where the destination keeps no mtime. */
  readonly clockOffset: number;
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

/** Compares two files. Either side may lack a size or an mtime. `doubt` is given where the destination's file is a copy in doubt. */
export function compareFiles(
  source: Stat,
  destination: Stat,
  rules: CompareRules,
  doubt?: Doubt,
): Comparison {
  if (rules.existing === 'skip') return { is: 'kept', reason: 'existing: skip' };
  const result = compareBytes(source, destination, rules);
  if (result.is === 'equal' && doubt !== undefined && rules.compare !== 'size')
    return compareToCopied(source, doubt);
  return result.is === 'equal' || mayReplace(source, destination, rules)
    ? result
    : { is: 'kept', reason: 'existing: newer, and the destination is not older' };
}

/** Whether `existing` allows the source's file or link to replace the destination's. */
export function mayReplace(source: Stat, destination: Stat, rules: CompareRules): boolean {
  return (
    rules.existing === 'overwrite' ||
    (rules.existing === 'newer' && order(source, destination, rules) > 0)
  );
}

/** The result for an undecided pair once its bytes have been compared. */
export function decide(
  sameBytes: boolean,
  source: Stat,
  destination: Stat,
  rules: CompareRules,
): Comparison {
  if (!sameBytes) return { is: 'different', reason: 'content' };
  const sameTime = order(source, destination, rules) === 0;
  return sameTime || !rules.keepsMtime ? equal : { is: 'attrs' };
}

/** Size and second agree but prove nothing: compare with what was copied. If the source has sub-second mtimes, copy again rather than read the destination, which may not be readable. */
function compareToCopied({ mtime }: Stat, doubt: Doubt): Comparison {
  if (mtime === undefined || Number.isInteger(mtime)) return { is: 'undecided' };
  if (!doubt.tells) return { is: 'different', reason: 'in doubt' };
  if (mtime === doubt.mtime) return equal;
  return { is: 'different', reason: mtime > doubt.mtime ? 'newer' : 'older' };
}

function compareBytes(source: Stat, destination: Stat, rules: CompareRules): Comparison {
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
      return compareTimes(source, destination, rules);
  }
}

function compareTimes(source: Stat, destination: Stat, rules: CompareRules): Comparison {
  if (source.mtime === undefined || destination.mtime === undefined)
    return { is: 'different', reason: 'mtime unknown' };
  const sign = order(source, destination, rules);
  if (sign === 0) return equal;
  // the destination's mtime is the time of the copy, so later is as expected
  if (sign < 0 && rules.compare === 'auto' && !rules.keepsMtime) return equal;
  return { is: 'different', reason: sign > 0 ? 'newer' : 'older' };
}

/**
 * Positive if the source is newer, 0 if both are equal or one has no mtime. Where the destination
 * keeps no mtime, its file's mtime comes from its own clock and is compared in whole seconds.
 */
function order(source: Stat, destination: Stat, rules: CompareRules): number {
  if (source.mtime === undefined || destination.mtime === undefined) return 0;
  const precision = rules.keepsMtime ? rules.mtimePrecision : 1;
  const theirs = rules.keepsMtime ? destination.mtime : destination.mtime - rules.clockOffset;
  return comparable(source.mtime, precision) - comparable(theirs, precision);
}
