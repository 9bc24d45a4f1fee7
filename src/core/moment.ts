/** Moments as people write them: `2026-12-01T08:00`, `08:00`, with a zone or without. Pure; the clock is an argument. */
import { type Zone, zoneNamed } from './zone.js';

const dayMs = 86_400_000;
const shape = 'must be a time such as 08:00, 2026-12-01T08:00 or "08:00 Europe/Berlin"';
const form =
  /^(?:(\d{4})-(\d\d)-(\d\d)(?:[T ](?=\d)))?(\d{1,2}):(\d\d)(?::(\d\d))?\s*(Z|[+-]\d\d:?\d\d|[A-Za-z][\w+-]*(?:\/[\w+-]+)*)?$/;

/**
 * The moment after `now` (ms since the epoch) that a text means, or the reason why it means none. A time
 * without a date is the next such one. Without a zone or an offset it is in `zone`. A time that the clocks
 * skip is the first moment after the gap; one that they repeat is the first of the two.
 */
export function parseMoment(text: string, now: number, zone: Zone): number | string {
  const found = form.exec(text.trim());
  if (found === null) return shape;
  const [, year, month, day, hour = '', minute = '', second = '0', where] = found;
  const clock = zoneOf(where, zone);
  if (typeof clock === 'string') return clock;
  const time = Date.UTC(1970, 0, 1, Number(hour), Number(minute), Number(second));
  if (Number(hour) > 23 || Number(minute) > 59 || Number(second) > 59)
    return 'contains a time that does not exist';
  if (year === undefined) return nextTime(time, now, clock);
  const date = Date.UTC(Number(year), Number(month) - 1, Number(day));
  if (new Date(date).toISOString().slice(0, 10) !== `${year}-${month}-${day}`)
    return 'contains a date that does not exist';
  const moment = instantOf(date + time, clock);
  return moment > now ? moment : 'is in the past';
}

function nextTime(time: number, now: number, zone: Zone): number {
  const today = Math.floor(zone.wall(now) / dayMs) * dayMs;
  // a day later again, since a day may skip the time that now has passed
  for (let date = today; ; date += dayMs) {
    const moment = instantOf(date + time, zone);
    if (moment > now) return moment;
  }
}

/** The first instant at which a wall clock shows this time, or has just skipped it. */
function instantOf(wall: number, zone: Zone): number {
  for (const { from, until, offset } of zone.pieces(wall - dayMs)) {
    if (wall < until + offset) return Math.max(from, wall - offset);
  }
  throw new Error('the pieces of a zone end');
}

function zoneOf(text: string | undefined, zone: Zone): Zone | string {
  if (text === undefined) return zone;
  if (text === 'Z') return fixedZone('Z', 0);
  const offset = /^([+-])(\d\d):?(\d\d)$/.exec(text);
  if (offset !== null) {
    const minutes = Number(offset[2]) * 60 + Number(offset[3]);
    return fixedZone(text, (offset[1] === '-' ? -minutes : minutes) * 60_000);
  }
  try {
    return zoneNamed(text);
  } catch {
    return `names a zone that does not exist: "${text}"`;
  }
}

function fixedZone(name: string, offset: number): Zone {
  return {
    name,
    wall: (instant) => instant + offset,
    *pieces(from) {
      for (;;) yield { from, until: Number.POSITIVE_INFINITY, offset };
    },
  };
}
