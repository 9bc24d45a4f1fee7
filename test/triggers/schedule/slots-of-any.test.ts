/** The slots of any expression against what looking at every minute finds. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { nextSlot, type Schedule, slotsBetween } from '../../../src/triggers/schedule/slots.js';

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;

const at = (date: string) => Date.parse(date);

function schedule(expressions: string | readonly string[], timezone: string): Schedule {
  return { schedule: typeof expressions === 'string' ? [expressions] : expressions, timezone };
}

/** The slots of (after, until] as nextSlot gives them. */
function iterate(rules: Schedule, after: number, until: number): number[] {
  const slots: number[] = [];
  for (let slot = nextSlot(rules, after); slot !== undefined && slot <= until; ) {
    slots.push(slot);
    slot = nextSlot(rules, slot);
  }
  return slots;
}

/** Fields of numbers, steps and ranges; the hours are given. */
const expression = (hours: fc.Arbitrary<string>) => {
  const field = (min: number, max: number) =>
    fc.oneof(
      fc.constant('*'),
      fc.integer({ min: 2, max: 20 }).map((step) => `*/${step}`),
      fc.uniqueArray(fc.integer({ min, max }), { minLength: 1, maxLength: 3 }).map(String),
      fc
        .tuple(fc.integer({ min, max }), fc.integer({ min, max }))
        .map(([a, b]) => `${Math.min(a, b)}-${Math.max(a, b)}`),
    );
  return fc
    .tuple(field(0, 59), hours, field(1, 28), fc.constant('*'), field(0, 6))
    .map((fields) => fields.join(' '));
};
const paces = fc.constantFrom('*', '*/2', '*/5');
const times = fc.constantFrom('0', '1', '2', '3', '1,2', '0-3', '2-23', '0,23');

/** The numbers that a field means, by code of the test's own. */
function numbers(field: string, min: number, max: number): Set<number> {
  const found = new Set<number>();
  for (const part of field.split(',')) {
    const [range = '', step = '1'] = part.split('/');
    const [low, high = low] = range === '*' ? [min, max] : range.split('-').map(Number);
    for (let n = low ?? 0; n <= (high ?? 0); n += Number(step)) found.add(n);
  }
  return found;
}

/** Whether a wall's digits match, as cron(5) has it. */
function matcher(text: string): (wall: number) => boolean {
  const [minute = '', hour = '', days = '', , weekdays = ''] = text.split(' ');
  const minutes = numbers(minute, 0, 59);
  const hours = numbers(hour, 0, 23);
  const daysOfMonth = numbers(days, 1, 31);
  const daysOfWeek = numbers(weekdays, 0, 6);
  const either = !days.startsWith('*') && !weekdays.startsWith('*');
  return (wall) => {
    const date = new Date(wall);
    if (!minutes.has(date.getUTCMinutes()) || !hours.has(date.getUTCHours())) return false;
    const dayOfMonth = daysOfMonth.has(date.getUTCDate());
    const dayOfWeek = daysOfWeek.has(date.getUTCDay());
    return either ? dayOfMonth || dayOfWeek : dayOfMonth && dayOfWeek;
  };
}

/** The wall clock by another way than the code's: the offset as Intl words it. */
function wallOf(timezone: string) {
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone: timezone,
    timeZoneName: 'longOffset',
  });
  const known = new Map<number, number>();
  return (instant: number) => {
    const before = known.get(instant);
    if (before !== undefined) return before;
    const [, sign = '+', hours = '0', minutes = '0'] =
      /GMT(?:([+-])(\d\d):(\d\d))?$/.exec(format.format(instant)) ?? [];
    const wall = instant + Number(`${sign}1`) * (Number(hours) * hour + Number(minutes) * minute);
    known.set(instant, wall);
    return wall;
  };
}

/** Slots of (after, until] by looking at every minute of a few days. */
function bruteForce(
  text: string,
  wall: (instant: number) => number,
  after: number,
  until: number,
): number[] {
  const matches = matcher(text);
  const slots = new Set<number>();
  const pace = text.split(' ')[1]?.startsWith('*');
  let highest = Number.NEGATIVE_INFINITY;
  for (let instant = after - 2 * day; instant <= until; instant += minute) {
    const shown = wall(instant);
    if (pace) {
      if (matches(shown)) slots.add(instant);
      continue;
    }
    // Each wall is due when the clock first reaches or jumps over it.
    const from = highest === Number.NEGATIVE_INFINITY ? shown : highest + minute;
    for (let passed = from; passed <= shown; passed += minute) {
      if (matches(passed)) slots.add(instant);
    }
    highest = Math.max(highest, shown);
  }
  return [...slots].filter((slot) => slot > after).sort((a, b) => a - b);
}

describe('whatever the expression', () => {
  test.each([
    ['UTC', '2026-02-27'],
    ['Asia/Tokyo', '2026-02-27'],
    ['Europe/Berlin', '2026-03-28'],
    ['Europe/Berlin', '2026-10-24'],
    ['America/Havana', '2026-03-08'],
    ['America/Havana', '2026-10-31'],
    ['Australia/Lord_Howe', '2026-04-04'],
    ['Australia/Lord_Howe', '2026-10-03'],
    ['Asia/Beirut', '2026-10-24'],
    ['Pacific/Apia', '2011-12-29'],
    ['Africa/Casablanca', '2026-02-14'],
  ])('the slots are those found minute by minute: %s, %s', (timezone, from) => {
    const hours = fc.oneof(paces, times);
    const wall = wallOf(timezone);
    fc.assert(
      fc.property(expression(hours), fc.integer({ min: 0, max: 2 * 24 * 60 }), (text, minutes) => {
        const after = at(from) + minutes * minute;
        const until = after + 36 * hour;
        const rules = schedule(text, timezone);
        const expected = bruteForce(text, wall, after, until);
        expect(slotsBetween(rules, after, until, 3000)).toEqual(expected);
        expect(nextSlot(rules, after - 1)).toBe(
          bruteForce(text, wall, after - minute, until)[0] ?? nextSlot(rules, until),
        );
      }),
      { numRuns: 25 },
    );
  });

  const zones = fc.constantFrom(
    ...['UTC', 'Europe/Berlin', 'America/New_York', 'America/St_Johns', 'Australia/Lord_Howe'],
    ...['Pacific/Apia', 'Asia/Kathmandu', 'Africa/Cairo', 'America/Sao_Paulo', 'Europe/Dublin'],
  );
  const moments = fc.integer({ min: at('2008-01-01') / 1000, max: at('2035-01-01') / 1000 });

  test('slots come later and later, and their wall matches or ends a gap', () => {
    fc.assert(
      fc.property(expression(fc.oneof(paces, times)), zones, moments, (text, timezone, seconds) => {
        const rules = schedule(text, timezone);
        const wall = wallOf(timezone);
        let last = seconds * 1000;
        for (let i = 0; i < 20; i++) {
          const slot = nextSlot(rules, last);
          if (slot === undefined) return;
          expect(slot).toBeGreaterThan(last);
          const endsGap = wall(slot) - wall(slot - 1) > 1;
          expect(matcher(text)(wall(slot)) || endsGap).toBe(true);
          last = slot;
        }
      }),
    );
  });

  test('slotsBetween gives what nextSlot gives one by one', () => {
    const span = fc.integer({ min: 0, max: 40 * 24 * 3600 });
    const lists = fc.array(expression(times), { minLength: 1, maxLength: 3 });
    fc.assert(
      fc.property(lists, zones, moments, span, (list, timezone, seconds, length) => {
        const rules = schedule(list, timezone);
        const after = seconds * 1000;
        const until = after + length * 1000;
        const all = iterate(rules, after, until);
        expect(slotsBetween(rules, after, until, 100_000)).toEqual(all);
        expect(slotsBetween(rules, after, until, 5)).toEqual(all.slice(-5));
      }),
      { numRuns: 50 },
    );
  });
});
