/** After which time without a success a job is stale. Pure, without a clock; times are milliseconds. */
import type { Job } from '../../core/job.js';
import { nextOpenSlot, slotsBetween } from './slots.js';

const hourMs = 3_600_000;
/** Shorter gaps don't matter: no job is stale before an hour. */
const leastGapMs = hourMs / 2;
/** Gaps are looked for so far ahead: a year and its holidays. */
const horizonMs = 400 * 24 * hourMs;
/** Moments that are looked at: those of two weeks for a schedule without long gaps, and of a year for one with weekends. */
const mostLooks = 700;

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
function longestGap(schedule: Parameters<typeof nextOpenSlot>[0], now: number): number | undefined {
  let longest = leastGapMs;
  let at = nextOpenSlot(schedule, now);
  if (at === undefined) return undefined;
  // Each gap that is longer than `longest` contains one of the moments looked at.
  for (let looks = 0; looks === 0 || (looks < mostLooks && at < now + horizonMs); looks++) {
    const next = nextOpenSlot(schedule, at);
    if (next === undefined) break;
    if (nextOpenSlot(schedule, next - longest - 1) === next)
      longest = Math.max(longest, next - lastBefore(schedule, next, at));
    at = Math.max(next, at + longest);
  }
  return longest;
}

/** The last slot in the window before another one; `least` is at or after one. */
function lastBefore(
  schedule: Parameters<typeof nextOpenSlot>[0],
  slot: number,
  least: number,
): number {
  for (let backMs = leastGapMs; backMs < 2 * horizonMs; backMs *= 2) {
    let found: number | undefined;
    for (let at = nextOpenSlot(schedule, least - backMs); at !== undefined && at < slot; ) {
      found = at;
      at = nextOpenSlot(schedule, at);
    }
    if (found !== undefined) return found;
  }
  return slotsBetween(schedule, slot - horizonMs, slot - 1, 1)[0] ?? least;
}
