/**
 * The moments at which a schedule starts its job. Pure: no clock; times are milliseconds since the
 * epoch. What an expression means is expression.ts's, what the clocks of a zone do zone.ts's.
 *
 * An expression with a fixed hour means a time of the day: one that a gap leaves out comes at the
 * first moment after the gap, one that a fold repeats at its first occurrence. One whose hour field
 * starts with `*` means a pace: it runs in both passes of a fold, and nothing is added for a gap.
 */

import type { Starts } from '../../core/job.js';
import { formatDuration } from '../../core/text.js';
import { type Expression, readExpression } from './expression.js';
import { type Zone, zoneNamed } from './zone.js';

export type Schedule = Pick<Starts, 'schedule' | 'timezone'>;
export type MissedRules = Pick<Starts, 'schedule' | 'timezone' | 'missed' | 'missedWithin'>;

const day = 86_400_000;
/** How far ahead and back is looked: a leap day is found, the 30th of February given up. */
const horizon = 5 * 366 * day;

/** Missed slots that are looked at; older ones are neither made up for nor recorded. */
export const mostMissed = 1000;

/** The first slot after a moment; undefined when there is none in the next five years. */
export function nextSlot(schedule: Schedule, after: number): number | undefined {
  return firstSlot(schedule, after, after + horizon);
}

/** The slots of (after, until], ascending; where there are more than `limit`, the last ones. */
export function slotsBetween(
  schedule: Schedule,
  after: number,
  until: number,
  limit: number,
): number[] {
  // From the end, a block at a time, so that a year of seconds costs no more than its last hour.
  let slots: number[] = [];
  let size = 3_600_000;
  for (let end = until; end > after && slots.length < limit; size *= 2) {
    const begin = Math.max(after, end - size);
    const block: number[] = [];
    for (let at = firstSlot(schedule, begin, end); at !== undefined; ) {
      block.push(at);
      at = firstSlot(schedule, at, end);
    }
    slots = block.concat(slots);
    end = begin;
  }
  return limit > 0 ? slots.slice(-limit) : [];
}

/** Milliseconds between the last slot up to a moment and the next one; undefined when one of them is missing. */
export function period(schedule: Schedule, around: number): number | undefined {
  const next = nextSlot(schedule, around);
  const [last] = slotsBetween(schedule, around - horizon, around, 1);
  return next === undefined || last === undefined ? undefined : next - last;
}

export interface Missed {
  /** Slots to make up for, ascending. */
  readonly run: readonly number[];
  /** The others with the reason, ascending. */
  readonly skipped: readonly { readonly slot: number; readonly why: string }[];
}

/**
 * What becomes of the slots of (seenUntil, until], all of them missed, by `missed` and
 * `missedWithin` (default: 24 h or the schedule's period, whichever is shorter), which is reckoned
 * from `now`. Looks at the last 1,000 of them.
 */
export function missedSlots(
  rules: MissedRules,
  seenUntil: number,
  until: number,
  now = until,
): Missed {
  const slots = slotsBetween(rules, seenUntil, until, mostMissed);
  if (slots.length === 0) return { run: [], skipped: [] };
  if (rules.missed === 'none') {
    return { run: [], skipped: slots.map((slot) => ({ slot, why: 'missed: none' })) };
  }
  const within = rules.missedWithin ?? Math.min(day, period(rules, now) ?? day);
  const run: number[] = [];
  const skipped: { slot: number; why: string }[] = [];
  for (const slot of slots) {
    if (now - slot > within) {
      skipped.push({ slot, why: `missed by more than ${formatDuration(within)} (missedWithin)` });
    } else if (rules.missed === 'latest' && slot !== slots.at(-1)) {
      skipped.push({ slot, why: madeUpLater });
    } else run.push(slot);
  }
  return { run, skipped };
}

/** Why a missed slot is skipped where a later one runs. */
export const madeUpLater = 'missed; a later slot makes up for it (missed: latest)';

/** The zone a schedule is reckoned in: its own, or the system's. */
export function zoneOf(schedule: Schedule): Zone {
  return zoneNamed(schedule.timezone);
}

const read = new WeakMap<readonly string[], readonly Expression[]>();

/** The first slot of (after, until]. */
function firstSlot(schedule: Schedule, after: number, until: number): number | undefined {
  let expressions = read.get(schedule.schedule);
  if (expressions === undefined) {
    expressions = schedule.schedule.flatMap(readExpression);
    read.set(schedule.schedule, expressions);
  }
  const zone = zoneOf(schedule);
  let earliest: number | undefined;
  for (const expression of expressions) {
    const slot = firstOf(expression, zone, after, earliest === undefined ? until : earliest - 1);
    if (slot !== undefined) earliest = slot;
  }
  return earliest;
}

/** As firstSlot, for one expression. */
function firstOf(
  expression: Expression,
  zone: Zone,
  after: number,
  until: number,
): number | undefined {
  /** The whole second that is the first to be looked at. */
  const start = Math.floor(after / 1000) * 1000 + 1000;
  /** The wall at which the piece before ended: below the next one's begin in a gap, above it in a fold. */
  let ended: number | undefined;
  // A day back: the piece before `start`, and with it a fold that is still going on, is seen.
  for (const { from, until: end, offset } of zone.pieces(start - day)) {
    if (from > until) return undefined;
    if (end > start) {
      const begin = from + offset;
      const resumed = expression.fixedHour ? (ended ?? begin) : begin;
      const wall = expression.first(
        from < start ? Math.max(start + offset, resumed) : resumed,
        Math.min(end, until + 1) + offset,
      );
      if (wall !== undefined) return Math.max(from, wall - offset);
    }
    ended = end + offset;
  }
  return undefined;
}
