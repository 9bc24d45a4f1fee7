/**
 * The moments at which a schedule starts its job: its slots. Pure, without a clock; times are
 * milliseconds since the epoch. expression.ts reads expressions, zone.ts knows the clocks of zones.
 *
 * An expression with a fixed hour means a time of day. If the clocks skip that time, the slot is the
 * first moment after the gap; if they repeat it, the slot is its first occurrence. An expression
 * whose hour field starts with `*` means an interval: its slots come in both passes of a repeated
 * hour, and a gap adds none.
 */
import { type Hours, isWithin, nextChange } from '../../core/hours.js';
import type { Starts } from '../../core/job.js';
import { type Zone, zoneNamed } from '../../core/zone.js';
import { type Expression, readExpression } from './expression.js';

export type Schedule = Pick<Starts, 'schedule' | 'timezone'>;
export type MissedRules = Pick<Starts, 'schedule' | 'timezone' | 'catchUp'> & SlotWindow;
/** The hours in which slots make runs; absent: always. */
interface SlotWindow {
  readonly window?: Hours | undefined;
}

const dayMs = 86_400_000;
/** How far a slot is searched for: enough to find a leap day, and to give up on the 30th of February. */
const horizonMs = 5 * 366 * dayMs;

/** Of more slots than this, the older ones are not looked at for one in the window. */
const mostLookedAt = 1000;

/** The first slot after a moment; undefined when there is none in the next five years. */
export function nextSlot(schedule: Schedule, after: number): number | undefined {
  return firstSlot(schedule, after, after + horizonMs);
}

/** The first slot after a moment that lies in the window. */
export function nextOpenSlot(schedule: Schedule & SlotWindow, after: number): number | undefined {
  const { window } = schedule;
  let slot = nextSlot(schedule, after);
  while (window !== undefined && slot !== undefined && !isInside(schedule, slot)) {
    const opens = nextChange(window, zoneOf(schedule), slot);
    slot = opens === undefined ? undefined : nextSlot(schedule, opens - 1);
    if (slot !== undefined && slot - after > horizonMs) return undefined;
  }
  return slot;
}

/** The last slot in (after, until] that lies in the window, of the last 1,000. */
export function lastOpenSlot(
  schedule: Schedule & SlotWindow,
  after: number,
  until: number,
): number | undefined {
  const slots = slotsBetween(schedule, after, until, mostLookedAt);
  return slots.reverse().find((slot) => isInside(schedule, slot));
}

/** Whether a moment lies in the window. */
export function isInside(schedule: Schedule & SlotWindow, moment: number): boolean {
  const { window } = schedule;
  return window === undefined || isWithin(window, zoneOf(schedule).wall(moment));
}

/** The slots in (after, until], ascending; the last `limit` of them if there are more. */
export function slotsBetween(
  schedule: Schedule,
  after: number,
  until: number,
  limit: number,
): number[] {
  // From the end, in growing blocks: for a slot each second, a year costs no more than its last hour.
  let slots: number[] = [];
  let blockMs = 3_600_000;
  for (let end = until; end > after && slots.length < limit; blockMs *= 2) {
    const begin = Math.max(after, end - blockMs);
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

/** Milliseconds from the last slot up to a moment to the next one; undefined when either does not exist. */
export function period(schedule: Schedule, around: number): number | undefined {
  const next = nextSlot(schedule, around);
  const [last] = slotsBetween(schedule, around - horizonMs, around, 1);
  return next === undefined || last === undefined ? undefined : next - last;
}

/** The zone of a schedule: its own, or the system's. */
export function zoneOf(schedule: Schedule): Zone {
  return zoneNamed(schedule.timezone);
}

const expressionsOf = new WeakMap<readonly string[], readonly Expression[]>();

/** The first slot in (after, until]. */
function firstSlot(schedule: Schedule, after: number, until: number): number | undefined {
  let expressions = expressionsOf.get(schedule.schedule);
  if (expressions === undefined) {
    expressions = schedule.schedule.flatMap(readExpression);
    expressionsOf.set(schedule.schedule, expressions);
  }
  const zone = zoneOf(schedule);
  let earliest: number | undefined;
  for (const expression of expressions) {
    const slot = firstOf(expression, zone, after, earliest === undefined ? until : earliest - 1);
    if (slot !== undefined) earliest = slot;
  }
  return earliest;
}

/** Like firstSlot, for one expression. */
function firstOf(
  expression: Expression,
  zone: Zone,
  after: number,
  until: number,
): number | undefined {
  /** The first whole second that may be a slot. */
  const start = Math.floor(after / 1000) * 1000 + 1000;
  /** The wall at which the previous piece ended: before the next one's begin at a gap, after it at a fold. */
  let ended: number | undefined;
  // From a day before, so that the piece before `start` is included, in case a fold is not over yet.
  for (const { from, until: end, offset } of zone.pieces(start - dayMs)) {
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
