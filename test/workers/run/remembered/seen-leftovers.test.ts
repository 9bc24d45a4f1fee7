/** When another writer's temporary file counts as abandoned, by a clock that the test sets. */
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import type { Job } from '../../../../src/core/job.js';
import { leftoversFile } from '../../../../src/state/layout.js';
import {
  type Leftover,
  SeenLeftovers,
} from '../../../../src/workers/run/remembered/seen-leftovers.js';
import { temporaryFolder } from '../../../kit/files/temporary.js';

const hour = 3600 * 1000;
const start = Date.UTC(2026, 10, 1);
const job = { name: 'job', from: { label: './a', path: '/a' }, to: { label: 'r:b', path: 'b' } };
const one: Leftover = { path: 'd/.x.part', size: 5 };

let state: string;
beforeEach(async () => {
  state = await temporaryFolder();
});

const open = (over: object = {}) => SeenLeftovers.open({ ...job, ...over } as Job, state);

/** What a run at `hours` says of what it found, before it keeps it. */
async function run(hours: number, found: readonly Leftover[], whole = true): Promise<boolean[]> {
  const seen = open();
  const now = start + hours * hour;
  const abandoned = found.map((leftover) => seen.isAbandoned(leftover, now));
  await seen.keep(found, whole, now);
  return abandoned;
}

test('it is abandoned once it has been seen with one size for 24 h', async () => {
  expect(await run(0, [one])).toEqual([false]);
  expect(await run(23.9, [one])).toEqual([false]);
  expect(await run(24, [one])).toEqual([true]);
});

test('one that grows is alive, however long', async () => {
  for (const hours of [0, 20, 40, 60])
    expect(await run(hours, [{ ...one, size: hours }])).toEqual([false]);
  expect(await run(83.9, [{ ...one, size: 60 }])).toEqual([false]);
  expect(await run(84, [{ ...one, size: 60 }])).toEqual([true]);
});

test('a side that tells no sizes: by its name alone', async () => {
  const unknown = { ...one, size: undefined };
  expect(await run(0, [unknown])).toEqual([false]);
  expect(await run(25, [unknown])).toEqual([true]);
});

test('a run limited to folders adds to what is known, a whole one replaces it', async () => {
  const other = { path: 'e/.y.part', size: 7 };
  await run(0, [one]);
  await run(1, [other], false);
  expect(await run(24.5, [one, other])).toEqual([true, false]);
  await run(25, []);
  expect(existsSync(join(state, 'leftovers')) && readdirSync(join(state, 'leftovers'))).toEqual([]);
});

test('the day begins again when the clock was set back, the sides are others, or the file is damaged', async () => {
  await run(0, [one]);
  await run(-1, [one]);
  expect(await run(22.9, [one])).toEqual([false]);
  const elsewhere = open({ to: { label: 'r:c', path: 'c' } });
  expect(elsewhere.isAbandoned(one, start + 99 * hour)).toBe(false);
  const [file = ''] = readdirSync(join(state, 'leftovers'));
  expect(leftoversFile(state, file.replace('.json', ''))).toBe(join(state, 'leftovers', file));
  writeFileSync(join(state, 'leftovers', file), '{"sides":');
  expect(await run(99, [one])).toEqual([false]);
});

test('without anything to know, nothing is written', async () => {
  await run(0, []);
  expect(readdirSync(state)).toEqual([]);
});
