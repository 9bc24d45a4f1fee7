/** When small system calls are made in this thread, and when through the pool. */
import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { DiskPace } from '../../../src/endpoints/local/disk-pace.js';

test('many calls at once are spread over turns of the event loop, in order', async () => {
  const pace = new DiskPace(() => 0);
  const made: number[] = [];
  const here = (n: number) => made.push(n);
  const pool = () => Promise.reject(new Error('the disk is fast'));
  const all = Promise.all(Array.from({ length: 1000 }, (_, n) => pace.call(here, pool, n)));
  const seen: number[] = [];
  while (made.length < 1000) {
    await turn();
    seen.push(made.length);
  }
  await all;
  expect(made).toEqual(Array.from({ length: 1000 }, (_, n) => n));
  expect(seen.length).toBeGreaterThan(4);
  // never all waiting calls in one turn
  expect(Math.max(...seen.map((n, i) => n - (seen[i - 1] ?? 0)))).toBeLessThan(500);
});

test('calls that follow from each other in one turn count, too', async () => {
  const pace = new DiskPace(() => 0);
  let made = 0;
  const here = () => ++made;
  const pool = () => Promise.reject(new Error('the disk is fast'));
  const chain = (async () => {
    for (let i = 0; i < 1000; i++) await pace.call(here, pool);
  })();
  await turn();
  expect(made).toBeGreaterThan(0);
  expect(made).toBeLessThan(500);
  await chain;
  expect(made).toBe(1000);
});

test('after a slow call the next ones go through the pool for a while', async () => {
  let clock = 0;
  const pace = new DiskPace(() => clock);
  const where: string[] = [];
  const here = (ms: number) => {
    clock += ms;
    where.push('here');
  };
  const pool = async () => {
    where.push('pool');
  };
  await pace.call(here, pool, 0);
  await pace.call(here, pool, 5);
  for (let i = 0; i < 300; i++) await pace.call(here, pool, 0);
  expect(where.slice(0, 3)).toEqual(['here', 'here', 'pool']);
  expect(where.filter((it) => it === 'pool')).toHaveLength(256);
  expect(where.at(-1)).toBe('here');
});

test("a call's error rejects its promise", async () => {
  const pace = new DiskPace(() => 0);
  const here = () => {
    throw new Error('no such file');
  };
  await expect(pace.call(here, async () => {})).rejects.toThrow('no such file');
});
