import { expect, test } from 'vitest';
import { type Hours, parseHours } from '../../../src/core/hours.js';
import { defaultStale, longestGap } from '../../../src/triggers/schedule/longest-gap.js';
import { nextOpenSlot } from '../../../src/triggers/schedule/slots.js';

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;
const from = Date.parse('2026-11-30T12:34:56Z');

const rules = (schedule: string | readonly string[], window?: string) => ({
  schedule: typeof schedule === 'string' ? [schedule] : schedule,
  timezone: 'UTC',
  window: window === undefined ? undefined : (parseHours(window) as Hours),
});

test.each<[string, string | string[], string | undefined, number]>([
  ['every second', '* * * * * *', undefined, 30 * minute],
  ['every minute', '* * * * *', undefined, 30 * minute],
  ['every 40 minutes of an hour', '*/40 * * * *', undefined, 40 * minute],
  ['each hour', '0 * * * *', undefined, hour],
  ['each hour of a window', '0 * * * *', '22:00-06:00', 17 * hour],
  ['twice a day', '0 2,5 * * *', undefined, 21 * hour],
  ['by two expressions', ['0 2 * * *', '0 5 * * *'], undefined, 21 * hour],
  ['daily', '0 2 * * *', undefined, day],
  ['on working days', '0 2 * * Mon-Fri', undefined, 3 * day],
  ['each minute of office hours', '* 8-17 * * Mon-Fri', undefined, 62 * hour + minute],
  ['each second of office hours', '* * 8-17 * * Mon-Fri', undefined, 62 * hour + 1000],
  ['weekly', '0 2 * * Sun', undefined, 7 * day],
  ['monthly', '0 2 1 * *', undefined, 31 * day],
  ['each minute of one day a month', '* * 1 * *', undefined, 30 * day + minute],
  ['yearly', '0 0 1 1 *', undefined, 366 * day],
  ['half of the year', '0 * * 1-6 *', undefined, 184 * day + hour],
])('the longest gap of a schedule: %s', (_, schedule, window, gap) => {
  expect(longestGap(rules(schedule, window), from)).toBe(gap);
  expect(defaultStale(rules(schedule, window), from)).toBe(Math.max(hour, 2 * gap));
});

test.each(['0 2 * * *', '0 1,4,9 */3 * *', '*/50 6-9 * * Tue,Sat'])(
  'is that of all its slots, clocks that are set included: %s',
  (expression) => {
    const schedule = { ...rules(expression), timezone: 'Europe/Berlin' };
    let longest = 0;
    let slot = nextOpenSlot(schedule, from) as number;
    for (let next = slot; next - from < 400 * day; slot = next) {
      next = nextOpenSlot(schedule, slot) as number;
      longest = Math.max(longest, next - slot);
    }
    expect(longestGap(schedule, from)).toBe(longest);
  },
);

test('there is none without a schedule', () => {
  expect(longestGap(rules([]), from)).toBeUndefined();
  expect(defaultStale(rules([]), from)).toBeUndefined();
});
