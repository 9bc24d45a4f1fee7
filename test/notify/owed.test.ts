/** When a channel is told what: of one incident, minute by minute. */
import { expect, test } from 'vitest';
import { type Hours, parseHours } from '../../src/core/hours.js';
import type { Incident } from '../../src/core/incident.js';
import { type Channel, noticeWords } from '../../src/core/notify.js';
import { afterTelling, due, owedOf } from '../../src/notify/owed.js';

const minute = 60_000;
const hour = 60 * minute;
const start = Date.UTC(2026, 10, 30, 2);

const plain: Channel = {
  name: 'ops',
  target: { kind: 'webhook', url: 'https://h', format: 'generic', secret: undefined },
  on: new Set(noticeWords),
  ...{ failures: 1, wait: 0, remind: 24 * hour, group: 0, quiet: undefined },
};

/** One that occurred at these minutes. */
function incident(times: readonly number[], more: Partial<Incident> = {}): Incident {
  const at = times.map((one) => start + one * minute);
  const [openedAt = start] = at;
  const last = at.at(-1) ?? start;
  return {
    ...{ id: 'i1', key: 'k', cause: 'failed', job: 'night', message: 'm', told: {}, steps: [] },
    ...{ openedAt, lastAt: last, count: at.length, times: at },
    ...more,
  };
}

/** The minutes at which it is told, and what, when it is looked at each minute until a given one. */
function told(
  of: (minute: number) => Incident,
  channel: Partial<Channel>,
  until: number,
  earlier: number[] = [],
): string[] {
  const all = { ...plain, ...channel };
  const found: string[] = [];
  let has: Incident['told'] = {};
  for (let at = 0; at <= until; at++) {
    const now = start + at * minute;
    const one = { ...of(at), told: has };
    const owed = owedOf(
      one,
      all,
      now,
      earlier.map((ago) => start - ago * minute),
    );
    for (const { step } of due(owed === undefined ? [] : [owed], all, now)) {
      found.push(`${at} ${step}`);
      has = afterTelling(one, 'ops', step, 'm1', now).told;
    }
  }
  return found;
}

const open = () => incident([0]);
const closesAt = (end: number) => (at: number) =>
  incident([0], at >= end ? { closedAt: start + end * minute } : {});
const closedAt5 = closesAt(5);
const acknowledgedAt5 = (at: number) =>
  incident([0], at >= 5 ? { acknowledged: { at: start + 5 * minute, by: 'ann' } } : {});
const failing = (at: number) => incident([0, 10, 20].filter((one) => one <= at));
const night = { hours: parseHours('22:00-06:00') as Hours, timezone: 'UTC' };

test.each<[string, (at: number) => Incident, Partial<Channel>, number, string[], number[]?]>([
  ['at once', open, {}, 60, ['0 opened']],
  ['the end, too', closedAt5, {}, 60, ['0 opened', '5 recovered']],
  ['no end that it does not want', closedAt5, { on: new Set(['failed']) }, 60, ['0 opened']],
  ['nothing that it does not want', open, { on: new Set(['stale']) }, 60, []],
  ['again each hour', open, { remind: hour }, 130, ['0 opened', '60 reminded-1', '120 reminded-2']],
  ['never again', open, { remind: undefined }, 3000, ['0 opened']],
  ['not again once somebody has it', acknowledgedAt5, { remind: hour }, 130, ['0 opened']],
  ['with others, after a while', open, { group: 10 * minute }, 60, ['10 opened']],
  ['once, if it ended meanwhile', closedAt5, { group: 10 * minute }, 12, ['10 opened']],
  ['by the third failure', failing, { failures: 3 }, 60, ['20 opened']],
  ['never, of two', open, { failures: 2 }, 60, []],
  ['of three within a day', open, { failures: 9 }, 60, ['0 opened'], [5 * 60, 9 * 60]],
  ['not of two within a day', open, { failures: 9 }, 60, [], [5 * 60, 25 * 60]],
  ['when nobody has taken care', open, { wait: 30 * minute }, 60, ['30 opened']],
  ['not when it has ended before', closedAt5, { wait: 30 * minute }, 60, []],
  ['not when somebody has it', acknowledgedAt5, { wait: 30 * minute }, 60, []],
  ['in the morning', open, { quiet: night }, 300, ['240 opened']],
])('a channel is told %s', (_, of, channel, until, expected, earlier = []) =>
  expect(told(of, channel, until, earlier)).toEqual(expected),
);

test('what comes within the time of a group is one message', () => {
  const channel = { ...plain, group: 10 * minute };
  const owed = [3, 0, 7].map((at) => ({
    ...{ incident: incident([at], { id: `i${at}` }), step: 'opened', since: start + at * minute },
  }));
  expect(due(owed, channel, start + 9 * minute)).toEqual([]);
  expect(due(owed, channel, start + 10 * minute).map((one) => one.incident.id)).toEqual([
    ...['i0', 'i3', 'i7'],
  ]);
});
