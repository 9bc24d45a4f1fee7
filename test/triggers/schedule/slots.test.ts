import { describe, expect, test } from 'vitest';
import { type Hours, parseHours } from '../../../src/core/hours.js';
import {
  lastOpenSlot,
  nextOpenSlot,
  nextSlot,
  period,
  type Schedule,
  slotsBetween,
  zoneOf,
} from '../../../src/triggers/schedule/slots.js';

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;

const at = (iso: string) => Date.parse(iso.includes('T') ? iso : `${iso}T00:00Z`);
const iso = (ms: number) => new Date(ms).toISOString().replace(/(?::00)?\.000Z$/, 'Z');

function schedule(expressions: string | readonly string[], timezone = 'UTC'): Schedule {
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

const berlinGap = ['2026-03-29T00:00Z', '2026-03-29T04:00Z']; // 02:00 -> 03:00 at 01:00Z
const berlinFold = ['2026-10-24T23:30Z', '2026-10-25T03:00Z']; // 03:00 -> 02:00 at 01:00Z

describe('the slots of', () => {
  test.each<[string, string | string[], string, string[], string[]]>([
    [
      'every minute',
      '* * * * *',
      'UTC',
      ['2026-01-01', '2026-01-01T00:02Z'],
      ['2026-01-01T00:01Z', '2026-01-01T00:02Z'],
    ],
    [
      'a step',
      '*/20 * * * *',
      'UTC',
      ['2026-01-01T00:01Z', '2026-01-01T01:00Z'],
      ['2026-01-01T00:20Z', '2026-01-01T00:40Z', '2026-01-01T01:00Z'],
    ],
    [
      'seconds first',
      '30 0 12 * * *',
      'UTC',
      ['2026-01-01', '2026-01-02'],
      ['2026-01-01T12:00:30Z'],
    ],
    [
      'a moment between seconds',
      '* * * * * *',
      'UTC',
      ['2026-01-01T00:00:00.500Z', '2026-01-01T00:00:01.500Z'],
      ['2026-01-01T00:00:01Z'],
    ],
    [
      'a list, one run an instant',
      ['0 2 * * *', '0 */2 1 * *', '0 2 1 1 *'],
      'UTC',
      ['2026-01-01', '2026-01-01T04:00Z'],
      ['2026-01-01T02:00Z', '2026-01-01T04:00Z'],
    ],
    [
      'names',
      '0 0 * JAN,mar sun',
      'UTC',
      ['2026-01-20', '2026-03-02'],
      ['2026-01-25T00:00Z', '2026-03-01T00:00Z'],
    ],
    ['7 as Sunday', '0 0 * * 7', 'UTC', ['2026-01-01', '2026-01-05'], ['2026-01-04T00:00Z']],
    [
      'a range over midnight',
      '0 22-1 * * *',
      'UTC',
      ['2026-01-01T02:00Z', '2026-01-02T02:00Z'],
      ['2026-01-01T22:00Z', '2026-01-01T23:00Z', '2026-01-02T00:00Z', '2026-01-02T01:00Z'],
    ],
    ['a leap day', '0 0 29 2 *', 'UTC', ['2024-03-01', '2032-01-01'], ['2028-02-29T00:00Z']],
    [
      'the 31st',
      '0 0 31 * *',
      'UTC',
      ['2026-01-31', '2026-06-01'],
      ['2026-03-31T00:00Z', '2026-05-31T00:00Z'],
    ],
    [
      "a month's last day",
      '0 0 L * *',
      'UTC',
      ['2026-01-31', '2026-04-30'],
      ['2026-02-28T00:00Z', '2026-03-31T00:00Z', '2026-04-30T00:00Z'],
    ],
    [
      'the weekday nearest to the 15th',
      '0 0 15W * *',
      'UTC',
      ['2026-02-01', '2026-03-31'],
      ['2026-02-16T00:00Z', '2026-03-16T00:00Z'],
    ],
    [
      "a month's second Monday",
      '0 0 * * 1#2',
      'UTC',
      ['2026-01-01', '2026-02-28'],
      ['2026-01-12T00:00Z', '2026-02-09T00:00Z'],
    ],
    [
      "a month's last Friday",
      '0 0 ? * 5L',
      'UTC',
      ['2026-01-01', '2026-02-28'],
      ['2026-01-30T00:00Z', '2026-02-27T00:00Z'],
    ],
    // Unix cron: either of the two, unless one of them starts with "*".
    [
      'a day of the month or of the week',
      '0 0 13 * 5',
      'UTC',
      ['2026-02-05', '2026-02-20'],
      ['2026-02-06T00:00Z', '2026-02-13T00:00Z', '2026-02-20T00:00Z'],
    ],
    [
      'the last day or a Monday',
      '0 0 L 2 mon',
      'UTC',
      ['2026-02-17', '2026-03-31'],
      ['2026-02-23T00:00Z', '2026-02-28T00:00Z'],
    ],
    [
      'every other day that is a Monday',
      '0 0 */2 * 1',
      'UTC',
      ['2026-01-01', '2026-01-31'],
      ['2026-01-05T00:00Z', '2026-01-19T00:00Z'],
    ],
    [
      'a 13th that is Sunday or Friday',
      '0 0 13 * */5',
      'UTC',
      ['2026-01-01', '2026-10-01'],
      ['2026-02-13T00:00Z', '2026-03-13T00:00Z', '2026-09-13T00:00Z'],
    ],
    [
      'a time of the day elsewhere',
      '30 9 * * *',
      'Asia/Kolkata',
      ['2026-01-01', '2026-01-02'],
      ['2026-01-01T04:00Z'],
    ],
    [
      'a day that has begun elsewhere',
      '0 0 1 * *',
      'Pacific/Auckland',
      ['2026-01-01', '2026-02-01'],
      ['2026-01-31T11:00Z'],
    ],
    [
      'a time in a gap: at its end',
      '30 2 * * *',
      'Europe/Berlin',
      ['2026-03-28T00:00Z', '2026-03-30T02:00Z'],
      ['2026-03-28T01:30Z', '2026-03-29T01:00Z', '2026-03-30T00:30Z'],
    ],
    [
      'several times in a gap: one run',
      ['*/5 2 * * *', '0 3 * * *'],
      'Europe/Berlin',
      berlinGap,
      ['2026-03-29T01:00Z'],
    ],
    [
      'a pace in a gap: nothing extra',
      '30 * * * *',
      'Europe/Berlin',
      berlinGap,
      ['2026-03-29T00:30Z', '2026-03-29T01:30Z', '2026-03-29T02:30Z', '2026-03-29T03:30Z'],
    ],
    [
      'every other hour in a gap',
      '0 */2 * * *',
      'Europe/Berlin',
      berlinGap,
      ['2026-03-29T02:00Z', '2026-03-29T04:00Z'],
    ],
    [
      'a time in a fold: once, the first',
      '30 2 * * *',
      'Europe/Berlin',
      ['2026-10-24T00:30Z', '2026-10-26T02:00Z'],
      ['2026-10-25T00:30Z', '2026-10-26T01:30Z'],
    ],
    [
      'times in a fold',
      '*/20 2-3 * * *',
      'Europe/Berlin',
      ['2026-10-25T00:10Z', '2026-10-25T02:10Z'],
      ['2026-10-25T00:20Z', '2026-10-25T00:40Z', '2026-10-25T02:00Z'],
    ],
    [
      'a pace in a fold: both passes',
      '*/30 * * * *',
      'Europe/Berlin',
      berlinFold,
      [
        '2026-10-25T00:00Z',
        '2026-10-25T00:30Z',
        '2026-10-25T01:00Z',
        '2026-10-25T01:30Z',
        '2026-10-25T02:00Z',
        '2026-10-25T02:30Z',
        '2026-10-25T03:00Z',
      ],
    ],
    [
      'a pace of one day whose last hour comes twice',
      '10 */23 24 10 *',
      'Asia/Beirut',
      ['2026-10-24T12:00Z', '2026-10-26'],
      ['2026-10-24T20:10Z', '2026-10-24T21:10Z'],
    ],
    [
      'midnight where a gap takes it',
      '0 0 * * *',
      'Africa/Cairo',
      ['2026-04-23', '2026-04-24'],
      ['2026-04-23T22:00Z'],
    ],
    [
      'a gap of half an hour',
      '15 2 * * *',
      'Australia/Lord_Howe',
      ['2026-10-03', '2026-10-04'],
      ['2026-10-03T15:30Z'],
    ],
    [
      'a fold of half an hour',
      '45 1 * * *',
      'Australia/Lord_Howe',
      ['2026-04-04', '2026-04-05'],
      ['2026-04-04T14:45Z'],
    ],
    [
      'a pace in a fold of half an hour',
      '*/15 * * * *',
      'Australia/Lord_Howe',
      ['2026-04-04T14:29Z', '2026-04-04T15:30Z'],
      [
        '2026-04-04T14:30Z',
        '2026-04-04T14:45Z',
        '2026-04-04T15:00Z',
        '2026-04-04T15:15Z',
        '2026-04-04T15:30Z',
      ],
    ],
    [
      'a day that was left out',
      '0 12 30 12 *',
      'Pacific/Apia',
      ['2011-12-29T00:00Z', '2012-12-01'],
      ['2011-12-30T10:00Z'],
    ],
    [
      'a pace over a day that was left out',
      '0 */12 * * *',
      'Pacific/Apia',
      ['2011-12-29T20:00Z', '2011-12-30T23:00Z'],
      ['2011-12-29T22:00Z', '2011-12-30T10:00Z', '2011-12-30T22:00Z'],
    ],
  ])('%s', (_what, expressions, timezone, [after = '', until = ''], expected) => {
    const rules = schedule(expressions, timezone);
    expect(iterate(rules, at(after), at(until)).map(iso)).toEqual(expected);
    expect(slotsBetween(rules, at(after), at(until), 100).map(iso)).toEqual(expected);
  });

  test('a moment inside the second pass of a fold: nothing that the first one ran', () => {
    const rules = schedule('*/10 2 * * *', 'Europe/Berlin');
    for (const after of ['2026-10-25T01:00Z', '2026-10-25T01:25Z', '2026-10-25T01:59:59Z']) {
      expect(iso(nextSlot(rules, at(after)) ?? 0)).toBe('2026-10-26T01:00Z');
    }
  });

  test("the system's zone, where none is given", () => {
    const { timeZone } = new Intl.DateTimeFormat().resolvedOptions();
    const rules = { schedule: ['30 2 * * *'], timezone: undefined };
    expect(zoneOf(rules).name).toBe(timeZone);
    expect(nextSlot(rules, at('2026-05-05'))).toBe(
      nextSlot({ ...rules, timezone: timeZone }, at('2026-05-05')),
    );
  });

  test('what never comes', () => {
    expect(nextSlot(schedule([]), 0)).toBeUndefined();
    expect(nextSlot(schedule('0 0 L-30 2 *'), at('2026-01-01'))).toBeUndefined();
    expect(slotsBetween(schedule('0 0 L-30 2 *'), 0, at('2026-01-01'), 9)).toEqual([]);
  });

  test('what node-cron refuses is refused here too', () => {
    for (const text of ['61 * * * *', '0 0 30 2 1', '* * * *', '0 0 * * 1#9']) {
      expect(() => nextSlot(schedule(text), 0)).toThrow();
    }
  });
});

describe('slotsBetween', () => {
  test('gives the last ones, of a year of seconds too', () => {
    const until = at('2026-01-01');
    expect(slotsBetween(schedule('* * * * * *'), until - 365 * day, until, 2)).toEqual([
      until - 1000,
      until,
    ]);
    expect(slotsBetween(schedule('* * * * *'), until - hour, until, 0)).toEqual([]);
    expect(slotsBetween(schedule('* * * * *'), until, until - hour, 9)).toEqual([]);
  });
});

test('period: between the slot before and the one after', () => {
  const working = schedule('0 6-20 * * 1-5', 'Europe/Berlin');
  expect(period(working, at('2026-01-05T12:30Z'))).toBe(hour);
  expect(period(working, at('2026-01-05T12:00Z'))).toBe(hour);
  expect(period(working, at('2026-01-04'))).toBe(58 * hour);
  expect(period(schedule('0 0 29 2 *'), at('2026-01-01'))).toBe(1461 * day);
  expect(period(schedule('0 2 * * *', 'Europe/Berlin'), at('2026-10-25T12:00Z'))).toBe(25 * hour);
  expect(period(schedule([]), 0)).toBeUndefined();
});

describe('slots in a window', () => {
  const inWindow = (expression: string, hours: string, timezone = 'Europe/Berlin') => ({
    ...schedule(expression, timezone),
    window: parseHours(hours) as Hours,
  });
  const now = at('2026-11-30T12:10Z'); // a Monday, 13:10 in Berlin

  test.each([
    ['0 * * * *', '22:00-06:00', '2026-11-30T21:00Z'],
    ['* * * * * *', 'Sat,Sun', '2026-12-04T23:00Z'],
    ['30 12 * * *', '12:00-13:00', '2026-12-01T11:30Z'],
    ['0 6 * * *', '22:00-06:00', undefined],
    ['0 3 29 2 *', 'Tue', '2028-02-29T02:00Z'],
    ['0 0 L-30 2 *', '22:00-06:00', undefined],
    ['30 13 * * *', 'Mon-Sun', '2026-11-30T12:30Z'],
  ])('%s within %s', (expression, hours, expected) => {
    const found = nextOpenSlot(inWindow(expression, hours), now);
    expect(found && iso(found)).toBe(expected);
  });

  test('without one, every slot counts', () => {
    expect(nextOpenSlot(schedule('0 * * * *'), now)).toBe(nextSlot(schedule('0 * * * *'), now));
  });

  test.each([
    ['0 * * * *', '22:00-06:00', '2026-11-30T04:00Z'],
    ['0 * * * *', 'Sun', '2026-11-29T22:00Z'],
    ['0 12 * * *', '22:00-06:00', undefined],
  ])('the last of %s within %s', (expression, hours, expected) => {
    const found = lastOpenSlot(inWindow(expression, hours), now - 2 * day, now);
    expect(found && iso(found)).toBe(expected);
  });
});
