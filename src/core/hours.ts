/**
 * Hours of the week, as people write them: `Mon-Fri 08:00-18:00`, `22:00-06:00`, `Sat,Sun`. A span that
 * crosses midnight belongs to the day on which it starts. Pure; the clock and its zone are arguments.
 */
import type { Zone } from './zone.js';

const minuteMs = 60_000;
const dayMinutes = 24 * 60;
const weekMinutes = 7 * dayMinutes;
const days = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'];

/** Minutes since Monday 00:00 on the wall clock, `until` not included. */
interface Span {
  readonly from: number;
  readonly until: number;
}

export interface Hours {
  /** As written. */
  readonly text: string;
  /** Within one week, in order, with gaps between them; a span over the week's end is two. */
  readonly spans: readonly Span[];
}

/** The hours that a text means, or the reason why it means none. */
export function parseHours(text: string): Hours | string {
  const found = /^([a-z,\s-]*?)\s*(?:(\d{1,2}):(\d\d)\s*-\s*(\d{1,2}):(\d\d))?$/i.exec(text.trim());
  if (found === null || text.trim() === '') return shape;
  const [, names = '', fromHour, fromMinute, untilHour, untilMinute] = found;
  const on = names.trim() === '' ? days.map((_, day) => day) : daysNamed(names);
  if (typeof on === 'string') return on;
  const from = fromHour === undefined ? 0 : minuteOfDay(fromHour, fromMinute);
  const until = fromHour === undefined ? dayMinutes : minuteOfDay(untilHour, untilMinute);
  if (from === undefined || until === undefined || from === dayMinutes)
    return 'contains a time that does not exist';
  if (from === until) return 'starts and ends at the same time, so it never opens';
  const length = until > from ? until - from : until - from + dayMinutes;
  const spans = on.flatMap((day) => split(day * dayMinutes + from, length));
  return { text, spans: merged(spans) };
}

const shape = 'must be hours such as "Mon-Fri 08:00-18:00", "22:00-06:00" or "Sat,Sun"';

/** Several hours as one. */
export function anyOf(all: readonly Hours[]): Hours {
  const spans = all.flatMap((hours) => hours.spans);
  return { text: all.map(({ text }) => text).join(', '), spans: merged(spans) };
}

/** Whether the hours contain a time of the wall clock (core/zone.ts). */
export function isWithin({ spans }: Hours, wall: number): boolean {
  const minute = minuteOfWeek(wall);
  return spans.some(({ from, until }) => minute >= from && minute < until);
}

/** The first time after `instant` (both ms since the epoch) at which the hours start or end; undefined if they last all week. */
export function nextChange(hours: Hours, zone: Zone, instant: number): number | undefined {
  const [first, ...more] = hours.spans;
  if (first === undefined) return undefined;
  if (more.length === 0 && first.from === 0 && first.until === weekMinutes) return undefined;
  const inside = isWithin(hours, zone.wall(instant));
  for (const { from, until, offset } of zone.pieces(instant)) {
    const start = Math.max(from, instant);
    if (start > instant && isWithin(hours, start + offset) !== inside) return start;
    const change = start + minutesToChange(hours, start + offset);
    if (change < until) return change;
  }
  return undefined;
}

/** Milliseconds from a wall clock's time to the next edge of a span. */
function minutesToChange({ spans }: Hours, wall: number): number {
  const minute = minuteOfWeek(wall);
  const edges = spans.flatMap(({ from, until }) => [from, until % weekMinutes]);
  // where one span ends and the next starts, at the week's end, there is no change
  const real = edges.filter((edge) => edges.indexOf(edge) === edges.lastIndexOf(edge));
  const waits = real.map((edge) => (edge > minute ? edge - minute : edge - minute + weekMinutes));
  return Math.min(...waits) * minuteMs - (wall % minuteMs);
}

function minuteOfWeek(wall: number): number {
  const minutes = Math.floor(wall / minuteMs);
  // the epoch started on a Thursday
  return (((minutes + 3 * dayMinutes) % weekMinutes) + weekMinutes) % weekMinutes;
}

function minuteOfDay(hour = '', minute = ''): number | undefined {
  const minutes = Number(hour) * 60 + Number(minute);
  return Number(minute) < 60 && minutes <= dayMinutes ? minutes : undefined;
}

/** The days of `Mon-Fri`, `Sat,Sun` or `Fri-Mon`, Monday as 0. */
function daysNamed(text: string): number[] | string {
  const found = new Set<number>();
  for (const part of text.split(',')) {
    const [first = '', last = first, ...more] = part.split('-').map((name) => name.trim());
    const [from, until] = [first, last].map((name) => days.indexOf(name.toLowerCase()));
    if (from === undefined || until === undefined || from < 0 || until < 0 || more.length > 0)
      return `names a day that is not Mon, Tue, Wed, Thu, Fri, Sat or Sun: "${part.trim()}"`;
    for (let day = from; ; day = (day + 1) % 7) {
      found.add(day);
      if (day === until) break;
    }
  }
  return [...found];
}

/** A span that starts at a minute of the week, split at the week's end. */
function split(from: number, length: number): Span[] {
  const until = from + length;
  if (until <= weekMinutes) return [{ from, until }];
  return [
    { from, until: weekMinutes },
    { from: 0, until: until - weekMinutes },
  ];
}

function merged(spans: readonly Span[]): Span[] {
  const found: Span[] = [];
  for (const span of [...spans].sort((a, b) => a.from - b.from)) {
    const last = found.at(-1);
    if (last === undefined || span.from > last.until) found.push(span);
    else found[found.length - 1] = { from: last.from, until: Math.max(last.until, span.until) };
  }
  return found;
}
