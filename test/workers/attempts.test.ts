/** Which runs are tried again, and after which wait. */
import { expect, test } from 'vitest';
import type { Report } from '../../src/core/events.js';
import { backoffAfter, worthAnotherAttempt } from '../../src/workers/attempts.js';

test.each([
  ['network', 'failed', true],
  ['busy', 'failed', true],
  ['io', 'incomplete', true],
  ['auth', 'failed', false],
  ['host-key', 'failed', false],
  ['config', 'failed', false],
  ['hostile-peer', 'failed', false],
  ['defect', 'failed', false],
  ['refused', 'refused', false],
  ['io', 'cancelled', false],
  ['io', 'succeeded', false],
] as const)('another attempt after %s, %s: %s', (kind, outcome, worth) => {
  const report = { outcome, error: { kind, message: '' } } as Report;
  expect(worthAnotherAttempt(report)).toBe(worth);
});

test.each([
  [
    'one that may pass',
    [
      ['failed', 'auth'],
      ['failed', 'network'],
    ],
    true,
  ],
  [
    'none that may pass',
    [
      ['failed', 'auth'],
      ['refused', 'refused'],
    ],
    false,
  ],
  ['one that did not get everything', [['succeeded'], ['incomplete']], true],
] as const)('of several targets, %s: %s', (_what, ends, worth) => {
  const targets = ends.map(([outcome, kind]) => ({
    outcome,
    ...(kind === undefined ? {} : { error: { kind, message: '' } }),
  }));
  const [worst] = targets;
  expect(worthAnotherAttempt({ ...worst, targets } as unknown as Report)).toBe(worth);
  const cancelled = { outcome: 'cancelled', targets } as unknown as Report;
  expect(worthAnotherAttempt(cancelled)).toBe(false);
});

test('the wait doubles up to its limit', () => {
  const retry = { attempts: 5, backoff: 10, maxBackoff: 35 };
  expect([1, 2, 3, 4].map((attempt) => backoffAfter(attempt, retry))).toEqual([10, 20, 35, 35]);
});
