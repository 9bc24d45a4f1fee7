/** Whether a destination's file is the source's. Pure; hashing, where it takes that, is the scan's work. */
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
  /** The destination's clock less ours, seconds; matters only where it keeps no mtime. */
  readonly clockOffset: number;
}

export type Verdict =
  /** Nothing to do. */
  | { readonly is: 'equal' }
  /** The bytes differ, or count as differing. */
  | { readonly is: 'different'; readonly reason: string }
  /** Nothing differs so far; the bytes themselves must be compared. */
  | { readonly is: 'undecided' }
  /** The same bytes under another mtime. */
  | { readonly is: 'attrs' }
  /** It differs, but `existing` lets the destination's stand. */
  | { readonly is: 'kept'; readonly reason: string };

/** SFTP version 3 carries mtimes as unsigned 32-bit seconds (draft-ietf-secsh-filexfer-02 §5). */
const latest = 0xffff_ffff;

/** An mtime in whole units of `precision` seconds, rounded down, clamped to what the protocol can carry. */
export function comparable(mtime: number, precision: number): number {
  const unit = Math.max(1, precision);
  return Math.floor(Math.min(Math.max(Math.floor(mtime), 0), latest) / unit);
}

const equal: Verdict = { is: 'equal' };

/** Compares two files. Either side may lack a size or an mtime. `doubt` is that about the destination's, where it is a copy in doubt. */
export function compareFiles(
  source: Stat,
  destination: Stat,
  rules: CompareRules,
  doubt?: Doubt,
): Verdict {
  if (rules.existing === 'keep') return { is: 'kept', reason: 'existing: keep' };
  const verdict = compareBytes(source, destination, rules);
  if (verdict.is === 'equal' && doubt !== undefined && rules.compare !== 'size')
    return compareToCopied(source, doubt);
  return verdict.is === 'equal' || mayReplace(source, destination, rules)
    ? verdict
    : { is: 'kept', reason: 'existing: newer, and the destination is not older' };
}

/** Whether `existing` lets the source's file or link take the place of the destination's. */
export function mayReplace(source: Stat, destination: Stat, rules: CompareRules): boolean {
  return (
    rules.existing === 'replace' ||
    (rules.existing === 'newer' && order(source, destination, rules) > 0)
  );
}

/** The verdict once the bytes of an undecided pair have been compared. */
export function decide(
  sameBytes: boolean,
  source: Stat,
  destination: Stat,
  rules: CompareRules,
): Verdict {
  if (!sameBytes) return { is: 'different', reason: 'content' };
  const sameTime = order(source, destination, rules) === 0;
  return sameTime || !rules.keepsMtime ? equal : { is: 'attrs' };
}

/** Size and seconds agree, but can't be trusted: compares with what was copied. A source that tells fractions is read again rather than the destination: that may be a server where nothing can be read. */
function compareToCopied({ mtime }: Stat, doubt: Doubt): Verdict {
  if (mtime === undefined || Number.isInteger(mtime)) return { is: 'undecided' };
  if (!doubt.tells) return { is: 'different', reason: 'in doubt' };
  if (mtime === doubt.mtime) return equal;
  return { is: 'different', reason: mtime > doubt.mtime ? 'newer' : 'older' };
}

function compareBytes(source: Stat, destination: Stat, rules: CompareRules): Verdict {
  const { size } = source;
  if (size === undefined || destination.size === undefined) {
    // a side that tells no sizes: only the bytes can tell, and only when asked for
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

function compareTimes(source: Stat, destination: Stat, rules: CompareRules): Verdict {
  if (source.mtime === undefined || destination.mtime === undefined)
    return { is: 'different', reason: 'mtime unknown' };
  const sign = order(source, destination, rules);
  if (sign === 0) return equal;
  // where it shows when the file arrived, not what it was given, later is right
  if (sign < 0 && rules.compare === 'auto' && !rules.keepsMtime) return equal;
  return { is: 'different', reason: sign > 0 ? 'newer' : 'older' };
}

/**
 * Positive when the source is newer, 0 when both are alike or one tells no mtime. Where the
 * destination keeps no mtime, its own is by its own clock, and seconds count.
 */
function order(source: Stat, destination: Stat, rules: CompareRules): number {
  if (source.mtime === undefined || destination.mtime === undefined) return 0;
  const precision = rules.keepsMtime ? rules.mtimePrecision : 1;
  const theirs = rules.keepsMtime ? destination.mtime : destination.mtime - rules.clockOffset;
  return comparable(source.mtime, precision) - comparable(theirs, precision);
}
