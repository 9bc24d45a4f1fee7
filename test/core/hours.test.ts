import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { anyOf, type Hours, isWithin, nextChange, parseHours } from '../../src/core/hours.js';
import { zoneNamed } from '../../src/core/zone.js';

function hours(text: string): Hours {
  const found = parseHours(text);
  if (typeof found === 'string') throw new Error(found);
  return found;
}

const utc = zoneNamed('UTC');
const at = (text: string) => Date.parse(`${text}Z`);

describe('hours hold', () => {
  test.each([
    // 2026-11-30 is a Monday
    ['Mon-Fri 08:00-18:00', '2026-11-30T08:00:00', true],
    ['Mon-Fri 08:00-18:00', '2026-11-30T07:59:59.999', false],
    ['Mon-Fri 08:00-18:00', '2026-11-30T17:59:59.999', true],
    ['Mon-Fri 08:00-18:00', '2026-11-30T18:00:00', false],
    ['Mon-Fri 08:00-18:00', '2026-12-05T12:00:00', false],
    ['22:00-06:00', '2026-11-30T23:00:00', true],
    ['22:00-06:00', '2026-11-30T05:59:00', true],
    ['22:00-06:00', '2026-11-30T06:00:00', false],
    ['Fri 22:00-06:00', '2026-12-05T05:00:00', true],
    ['Fri 22:00-06:00', '2026-12-04T05:00:00', false],
    ['Sun 22:00-06:00', '2026-11-30T05:00:00', true],
    ['Sat,Sun', '2026-12-06T23:59:00', true],
    ['Sat,Sun', '2026-12-07T00:00:00', false],
    ['sat-mon', '2026-11-30T12:00:00', true],
    ['00:00-24:00', '2026-11-30T12:00:00', true],
    ['8:30-9:00', '2026-11-30T08:45:00', true],
  ])('%s at %s: %s', (text, moment, expected) => {
    expect(isWithin(hours(text), at(moment))).toBe(expected);
  });

  test('what one of several holds', () => {
    const both = anyOf([hours('Mon 08:00-12:00'), hours('Mon 11:00-13:00'), hours('Tue')]);
    expect(isWithin(both, at('2026-11-30T12:30:00'))).toBe(true);
    expect(isWithin(both, at('2026-12-01T00:00:00'))).toBe(true);
    expect(isWithin(both, at('2026-11-30T13:00:00'))).toBe(false);
  });
});

test.each([
  ['', 'must be hours'],
  ['at night', 'names a day'],
  ['Mon-Fri 8-18', 'must be hours'],
  ['Monday 08:00-18:00', 'names a day'],
  ['Mo-Fr 08:00-18:00', 'names a day'],
  ['08:00-25:00', 'does not exist'],
  ['08:60-09:00', 'does not exist'],
  ['24:00-06:00', 'does not exist'],
  ['08:00-08:00', 'never opens'],
])('%j is refused: %s', (text, message) => {
  expect(parseHours(text)).toContain(message);
});

describe('the next change', () => {
  test('is when the hours begin or end', () => {
    const office = hours('Mon-Fri 08:00-18:00');
    const next = (moment: string) => nextChange(office, utc, at(moment));
    expect(next('2026-11-30T07:00:00')).toBe(at('2026-11-30T08:00:00'));
    expect(next('2026-11-30T08:00:00')).toBe(at('2026-11-30T18:00:00'));
    expect(next('2026-12-04T18:00:00')).toBe(at('2026-12-07T08:00:00'));
  });

  test('never comes where all the week is held', () => {
    expect(nextChange(hours('00:00-24:00'), utc, 0)).toBeUndefined();
    expect(nextChange(hours('Mon-Sun'), utc, 0)).toBeUndefined();
  });

  test('is no edge between one week and the next', () => {
    // held from Saturday 00:00 to Monday 24:00
    const weekend = hours('Sat-Mon');
    expect(nextChange(weekend, utc, at('2026-12-05T12:00:00'))).toBe(at('2026-12-08T00:00:00'));
  });

  test.each(['Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe', 'UTC'])(
    'is what looking at every minute finds, over DST too (%s)',
    (name) => {
      const zone = zoneNamed(name);
      const minute = 60_000;
      const span = fc.record({
        from: fc.integer({ min: 0, max: 95 }),
        until: fc.integer({ min: 1, max: 96 }),
        days: fc.subarray(['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'], { minLength: 1 }),
      });
      const clock = (quarter: number) =>
        `${String(Math.floor(quarter / 4)).padStart(2, '0')}:${String((quarter % 4) * 15).padStart(2, '0')}`;
      // days around the changes of 2026: 29 March, 25 October, 8 March, 1 November, 5 April, 4 October
      const day = fc.constantFrom(
        '2026-03-28',
        '2026-10-24',
        '2026-03-07',
        '2026-10-31',
        '2026-04-04',
        '2026-10-03',
        '2026-06-01',
      );
      fc.assert(
        fc.property(
          span,
          day,
          fc.integer({ min: 0, max: 2880 }),
          ({ from, until, days }, date, offset) => {
            fc.pre(from !== until);
            const open = hours(`${days.join(',')} ${clock(from)}-${clock(until)}`);
            const start = Date.parse(`${date}T00:00:00Z`) + offset * minute;
            const found = nextChange(open, zone, start);
            const inside = isWithin(open, zone.wall(start));
            let expected: number | undefined;
            for (let t = start + minute; t <= start + 8 * 24 * 60 * minute; t += minute) {
              if (isWithin(open, zone.wall(t)) === inside) continue;
              expected = t;
              break;
            }
            expect(found).toBe(expected);
          },
        ),
        { numRuns: 40 },
      );
    },
  );
});
