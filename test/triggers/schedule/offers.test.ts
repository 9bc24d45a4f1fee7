import { describe, expect, test } from 'vitest';
import { type Hours, parseHours } from '../../../src/core/hours.js';
import { offers } from '../../../src/triggers/schedule/offers.js';
import { createOutlived } from '../../../src/triggers/schedule/outlived.js';
import { type MissedRules, slotsBetween } from '../../../src/triggers/schedule/slots.js';

const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;
const day = 24 * hour;
const at = (date: string) => Date.parse(date);
const time = (ms: number) => new Date(ms).toISOString().slice(11, 16);

function rules(
  schedule: string,
  slots: MissedRules['catchUp']['slots'],
  within?: number,
  window?: string,
): MissedRules {
  const hours = window === undefined ? undefined : (parseHours(window) as Hours);
  return { schedule: [schedule], timezone: 'UTC', catchUp: { slots, within }, window: hours };
}

/** Offers as lines, without the moments up to which slots are handled. */
function lines(...given: Parameters<typeof offers>): string[] {
  return [...offers(...given)].flatMap((offer) => {
    if ('slot' in offer) return [`${time(offer.slot)} ${offer.how}`];
    if ('handled' in offer) return [];
    const { from, to, count, why } = offer.gap;
    return [`${count} from ${time(from)} to ${time(to)}: ${why}`];
  });
}

const old = (within: string) => `older than ${within} (catchUp.within)`;
const later = 'a later slot makes up for it (catchUp: latest)';
const seen = at('2026-01-01T00:00Z');
const now = at('2026-01-01T04:30Z');

test.each([
  ['none', undefined, ['4 from 01:00 to 04:00: catchUp: none']],
  ['latest', undefined, ['04:00 catch-up', `3 from 01:00 to 03:00: ${old('1 h 0 min')}`]],
  ['latest', 3 * hour, ['04:00 catch-up', `3 from 01:00 to 03:00: ${old('3 h 0 min')}; ${later}`]],
  ['latest', 30 * minute, ['04:00 catch-up', `3 from 01:00 to 03:00: ${old('30 min 0 s')}`]],
  ['latest', 29 * minute, [`4 from 01:00 to 04:00: ${old('29 min 0 s')}`]],
  [
    'all',
    3 * hour,
    [`1 from 01:00 to 01:00: ${old('3 h 0 min')}`, ...[2, 3, 4].map((h) => `0${h}:00 catch-up`)],
  ],
  ['all', undefined, [1, 2, 3, 4].map((h) => `0${h}:00 catch-up`)],
] as const)('missed slots: %s within %s ms', (slots, within, expected) => {
  expect(lines(rules('0 * * * *', slots, within), seen, now)).toEqual(expected);
});

test.each([
  ['none', undefined, 0],
  ['latest', undefined, 3],
  ['latest', '00:00-02:30', 1],
  ['all', '02:30-06:00', 0],
] as const)(
  'slots count as missed unless catchUp or the window leaves them out: %s, %s',
  (slots, window, missed) => {
    const all = [...offers(rules('0 * * * *', slots, day, window), seen, now)];
    const counts = all.map((offer) => ('gap' in offer ? offer.gap.missed : 0));
    expect(counts.reduce((sum, one) => sum + one, 0)).toBe(missed);
  },
);

test('a handled slot is not missed', () => {
  expect(lines(rules('0 * * * *', 'all', day), at('2026-01-01T04:00Z'), now)).toEqual([]);
  expect(lines(rules('0 * * * *', 'latest', day), now + day, now)).toEqual([]);
});

test('by default nothing older than a day is made up for', () => {
  const weekly = rules('0 0 * * 1', 'latest');
  const slot = at('2026-01-05');
  expect(lines(weekly, slot - 1, slot + day)).toEqual(['00:00 catch-up']);
  expect(lines(weekly, slot - 1, slot + day + 1)).toEqual([
    `1 from 00:00 to 00:00: ${old('24 h 0 min')}`,
  ]);
});

test('two days of a slot each minute are one record, behind the slot that is due', () => {
  const each = rules('* * * * *', 'latest');
  const noon = at('2026-01-03T12:00:20Z');
  const all = [...offers(each, noon - 2 * day, noon)];
  expect(all.map((offer) => Object.keys(offer)[0])).toEqual(['slot', 'gap', 'handled']);
  expect(all[0]).toEqual({ slot: at('2026-01-03T12:00Z'), how: 'due' });
  expect(all[1]).toMatchObject({
    gap: { from: at('2026-01-01T12:01Z'), to: at('2026-01-03T11:59Z'), count: 2879 },
  });
  expect(all[2]).toEqual({ handled: at('2026-01-03T12:00Z') });
});

test('`all` makes up for every slot of a week, in order, and one record has the older ones', () => {
  const each = rules('* * * * *', 'all');
  const noon = at('2026-01-20T12:00:20Z');
  const all = [...offers(each, noon - 9 * day, noon)];
  const begin = noon - 7 * day - 1;
  expect(all.flatMap((offer) => ('slot' in offer ? [offer.slot] : []))).toEqual(
    slotsBetween(each, begin, noon, 20_000),
  );
  expect(all[0]).toMatchObject({ gap: { from: at('2026-01-11T12:01Z'), count: 2880 } });
  expect(all[1]).toEqual({ handled: at('2026-01-13T12:00Z') });
  // Each is handled before the next one is offered: a restart goes on where it was.
  const rest = all.slice(2).map((offer) => ('slot' in offer ? offer.slot : 'handled' in offer));
  expect(rest.every((one, n) => (one === true) === (n % 2 === 1))).toBe(true);
});

test('of a slot each second, ten thousand missed ones are counted, and the first is known', () => {
  const all = [...offers(rules('* * * * * *', 'none'), now - 2 * day, now)];
  expect(all.find((offer) => 'gap' in offer)).toEqual({
    gap: {
      from: now - 2 * day + second,
      to: now - 61 * second,
      count: 10_000,
      missed: 0,
      why: 'catchUp: none',
    },
  });
});

test('what was stored before a failure is not offered again, nor missed', () => {
  const each = rules('0 * * * *', 'latest', 3 * hour);
  const stored = new Set([at('2026-01-01T04:00Z')]);
  const half = at('2026-01-01T04:00:30Z');
  expect(lines(each, seen, half)).toEqual([
    '04:00 due',
    `3 from 01:00 to 03:00: ${old('3 h 0 min')}; ${later}`,
  ]);
  expect(lines(each, seen, half + hour, stored)).toEqual([
    '05:00 due',
    `3 from 01:00 to 03:00: ${old('3 h 0 min')}; ${later}`,
  ]);
});

describe('outside the window', () => {
  const outside = 'outside the window 22:00-06:00';

  test('a missed slot makes up for none, and one inside is made up for', () => {
    const each = rules('0 */2 * * *', 'latest', day, '22:00-06:00');
    expect(lines(each, at('2026-11-30T01:00Z'), at('2026-11-30T10:30Z'))).toEqual([
      '04:00 catch-up',
      `4 from 02:00 to 10:00: ${later}; ${outside}`,
    ]);
  });

  test('`all` makes up for those inside, and each time between is one record', () => {
    const each = rules('0 */3 * * *', 'all', day, '22:00-06:00');
    expect(lines(each, at('2026-11-30T01:00Z'), at('2026-12-01T01:30Z'))).toEqual([
      '03:00 catch-up',
      `6 from 06:00 to 21:00: ${outside}`,
      '00:00 catch-up',
    ]);
  });
});

test('the record that is not kept any more is that of the slot a hundred before', () => {
  const each = { schedule: ['*/5 * * * *', '7 3 * * *'], timezone: 'Europe/Berlin' };
  const slots = slotsBetween(each, at('2026-03-28T00:00Z'), at('2026-03-30T00:00Z'), 10_000);
  const outlived = createOutlived();
  for (const [n, slot] of slots.entries()) {
    const old = outlived('job', each, slot);
    if (n >= 100) expect(old).toBe(slots[n - 100]);
    if (n === 300) expect(outlived('job', each, slots[110] ?? 0)).toBe(slots[10]);
  }
});
