/** After which time without a success a job is stale. Pure, without a clock; times are milliseconds. */
import type { Job } from '../../core/job.js';
import { type MissedRules, nextOpenSlot } from './slots.js';

type Schedule = Pick<MissedRules, 'schedule' | 'timezone' | 'window'>;

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
/** Shorter gaps don't matter: no job is stale before an hour. */
const leastGapMs = hourMs / 2;
/** Gaps are looked for so far ahead: a year and its holidays. */
const horizonMs = 400 * dayMs;
/** Gaps below a day are looked for in the first days alone: hours and minutes mean the same on each day. */
const closelyMs = 8 * dayMs;

/**
 * The job's `stale`; without it twice the longest gap of its schedule as of a moment, at least an hour. Undefined:
 * the job is never stale, since it has no schedule or says so.
 */
export function staleAfter(
  { incidents, starts, window }: Pick<Job, 'incidents' | 'starts' | 'window'>,
  now: number,
): number | undefined {
  if (incidents.stale !== undefined) return incidents.stale || undefined;
  if (starts.schedule.length === 0) return undefined;
  const gap = longestGap({ ...starts, window }, now);
  return gap === undefined ? undefined : Math.max(hourMs, 2 * gap);
}

/** The longest time between two slots in a row, at least half an hour; undefined for a schedule without slots. */
function longestGap(schedule: Schedule, now: number): number | undefined {
  const first = nextOpenSlot(schedule, now);
  if (first === undefined) return undefined;
  let longest = leastGapMs;
  // A gap that is longer than `longest` contains one of the moments looked at, which are no further apart.
  for (let at = first; at === first || at < now + horizonMs; ) {
    const apart = at < first + closelyMs ? longest : Math.max(longest, dayMs);
    const next = nextOpenSlot(schedule, at + apart);
    if (next === undefined) break;
    if (next - at > longest) longest = Math.max(longest, next - lastBefore(schedule, next, at));
    at = next;
  }
  return longest;
}

/** The last slot in the window before `next`; `slot` is an earlier one. Slots are whole seconds. */
function lastBefore(schedule: Schedule, next: number, slot: number): number {
  let low = slot;
  let high = next;
  // `next` follows each moment from the slot that is looked for on.
  while (high - low > 1000) {
    const middle = Math.floor((low + high) / 2000) * 1000;
    const found = nextOpenSlot(schedule, middle) ?? next;
    if (found >= next) high = middle;
    else low = found;
  }
  return nextOpenSlot(schedule, low) === next ? low : high;
}
