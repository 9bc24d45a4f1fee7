/** When a silence has lasted too long, tick by tick. */
import { expect, test } from 'vitest';
import { SilenceClock } from '../../../../src/endpoints/sftp/client/silence.js';

test.each([
  [30_000, 1_000],
  [1_500, 375],
  [20, 5],
])('a deadline of %d ms is checked every %d ms', (deadline, interval) => {
  expect(new SilenceClock(deadline).intervalMs).toBe(interval);
});

test('a silence is too long once the deadline has surely passed', () => {
  const clock = new SilenceClock(30_000);
  for (let tick = 1; tick <= 30; tick++) expect(clock.tick(1, false)).toBe(false);
  expect(clock.tick(1, false)).toBe(true);
});

test('every byte ends the silence', () => {
  const clock = new SilenceClock(30_000);
  for (let tick = 0; tick < 200; tick++) {
    if (tick % 30 === 0) clock.reset();
    expect(clock.tick(1, false)).toBe(false);
  }
});

test('a request that others overtake again and again waits too long, though bytes move', () => {
  const clock = new SilenceClock(30_000);
  const ticks = Array.from({ length: 40 }, () => {
    clock.reset();
    return clock.tick(7, true);
  });
  expect(ticks.indexOf(true)).toBe(31);
});

test('a server may answer out of order', () => {
  const clock = new SilenceClock(30_000);
  for (let tick = 0; tick < 200; tick++) {
    clock.reset();
    expect(clock.tick(tick >> 2, true)).toBe(false);
  }
});
