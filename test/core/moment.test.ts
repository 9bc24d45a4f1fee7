/** Moments as people write them, in zones with and without a change of the clocks. */
import { expect, test } from 'vitest';
import { parseMoment } from '../../src/core/moment.js';
import { zoneNamed } from '../../src/core/zone.js';

const now = Date.parse('2026-11-30T12:00:00Z');
const berlin = zoneNamed('Europe/Berlin');

test.each([
  ['08:00', '2026-12-01T07:00:00Z'],
  ['13:00', '2026-12-01T12:00:00Z'],
  ['13:01', '2026-11-30T12:01:00Z'],
  ['8:05:30', '2026-12-01T07:05:30Z'],
  ['08:00Z', '2026-12-01T08:00:00Z'],
  ['08:00 UTC', '2026-12-01T08:00:00Z'],
  ['08:00 America/New_York', '2026-11-30T13:00:00Z'],
  ['23:30 Asia/Kolkata', '2026-11-30T18:00:00Z'],
  ['08:00-05:00', '2026-11-30T13:00:00Z'],
  ['2026-12-24T18:00', '2026-12-24T17:00:00Z'],
  ['2026-12-24 18:00', '2026-12-24T17:00:00Z'],
  ['2026-12-24T18:00+05:30', '2026-12-24T12:30:00Z'],
  ['2028-02-29T00:00Z', '2028-02-29T00:00:00Z'],
  // the clocks go from 02:00 to 03:00, and from 03:00 back to 02:00
  ['2027-03-28T02:30', '2027-03-28T01:00:00Z'],
  ['2027-03-28T03:30', '2027-03-28T01:30:00Z'],
  ['2027-10-31T02:30', '2027-10-31T00:30:00Z'],
  ['2027-10-31T03:30', '2027-10-31T02:30:00Z'],
])('%s', (text, expected) => {
  expect(new Date(Number(parseMoment(text, now, berlin))).toISOString()).toBe(
    new Date(expected).toISOString(),
  );
});

test.each([
  ['', /^must be a time/],
  ['tomorrow', /^must be a time/],
  ['8', /^must be a time/],
  ['2026-12-01', /^must be a time/],
  ['24:00', /does not exist/],
  ['08:60', /does not exist/],
  ['2026-02-30T08:00', /date that does not exist/],
  ['2026-13-01T08:00', /does not exist/],
  ['08:00 Mars/Base', /zone that does not exist/],
  ['2026-11-30T13:00', /in the past/],
  ['2020-01-01T00:00Z', /in the past/],
])('%j is refused', (text, why) => {
  expect(parseMoment(text, now, berlin)).toMatch(why);
});

test('the next time of day skips the day that lacks it', () => {
  // at half past two in the night of the change, as the clock shows three
  const night = Date.parse('2027-03-28T01:00:00Z');
  expect(parseMoment('02:30', night, berlin)).toBe(Date.parse('2027-03-29T00:30:00Z'));
});
