import { expect, test } from 'vitest';
import type { RunEvent } from '../../../src/core/events.js';
import { Tally } from '../../../src/workers/run/tally.js';

test('a path that fails for two reasons is named and counted once, with the first', () => {
  const events: RunEvent[] = [];
  const tally = new Tally((event) => void events.push(event));
  tally.fail({ path: 'a', kind: 'io', message: 'the folder cannot be listed' });
  tally.fail({ path: 'a', kind: 'conflict', message: 'deletions were withheld' });
  tally.fail({ path: 'b', kind: 'io', message: 'denied' });
  expect(tally.failed).toBe(2);
  expect(tally.failures.map(({ path, kind }) => [path, kind])).toEqual([
    ['a', 'io'],
    ['b', 'io'],
  ]);
  expect(events).toHaveLength(2);
});
