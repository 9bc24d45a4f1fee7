/** How long a schedule leaves a job alone at most. Pure; times are milliseconds. */
import { type MissedRules, nextOpenSlot } from './slots.js';

type Schedule = Pick<MissedRules, 'schedule' | 'timezone' | 'window'>;

const minuteMs = 60_000;
const dayMs = 86_400_000;
/** Gaps are looked for in a year and a month: expressions name no years. */
const lookedAtMs = 400 * dayMs;
/** In the first days also those below a day are found: hours and minutes mean the same on each day. */
const closelyMs = 8 * dayMs;
/** A shorter gap is not looked for. */
const shortestMs = 30 * minuteMs;
const leastStaleMs = 60 * minuteMs;

/** After which time without a success a job is stale unless it says otherwise: twice its schedule's longest gap, at least an hour; undefined without a slot. */
export function defaultStale(schedule: Schedule, from: number): number | undefined {
  const gap = longestGap(schedule, from);
  return gap === undefined ? undefined : Math.max(leastStaleMs, 2 * gap);
}

/**
 * The longest time between two slots in the job's window, in the 400 days after a moment, half an hour where they are closer;
 * undefined with fewer than two slots. A longer gap than the one that is known covers a point of any
 * grid that is as wide as that one, so that few points are looked at.
 */
export function longestGap(schedule: Schedule, from: number): number | undefined {
  const first = nextOpenSlot(schedule, from);
  if (first === undefined || nextOpenSlot(schedule, first) === undefined) return undefined;
  let longest = shortestMs;
  let slot = first;
  while (slot - from < lookedAtMs) {
    const isClose = slot - first < closelyMs;
    const point = slot + Math.max(longest, isClose ? shortestMs : dayMs);
    const next = nextOpenSlot(schedule, point);
    if (next === undefined) break;
    if (next - slot > longest) longest = Math.max(longest, next - slotBefore(schedule, slot, next));
    slot = next;
  }
  return longest;
}

/** The last slot before `next`, which follows `slot`. Slots are whole seconds. */
function slotBefore(schedule: Schedule, slot: number, next: number): number {
  let low = slot;
  let high = next;
  // At each moment from the slot before `next` on, `next` is the slot that follows.
  while (high - low > 1000) {
    const middle = Math.floor((low + high) / 2000) * 1000;
    const found = nextOpenSlot(schedule, middle);
    if (found === undefined || found >= next) high = middle;
    else low = found;
  }
  return nextOpenSlot(schedule, low) === next ? low : high;
}
