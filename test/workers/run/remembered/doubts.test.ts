/** Copies in doubt are kept from run to run, however the run ends. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import type { Reading } from '../../../../src/jobs/plan/doubt.js';
import { type Doubts, openDoubts } from '../../../../src/workers/run/remembered/doubts.js';
import { temporaryFolder } from '../../../kit/files/temporary.js';
import { jobOf, withJob } from '../../../kit/loading.js';
import { memoryEndpoint } from '../../../kit/servers/memory.js';

const { signal } = new AbortController();
const job = jobOf(withJob(''));
let state: string;
beforeEach(async () => {
  state = await temporaryFolder();
});

const opened = (of = job) => openDoubts(of, state) as Doubts;
const reading = (mtime: number, readAt: number, size = 1): Reading => ({
  ...{ from: 'f', source: { size, mtime }, readAt, writtenAt: readAt },
  ...{ precision: 1, keepsMtime: true },
});
const now = Date.now();
/** Changed half a second before it was read. */
const fresh = reading(now / 1000 - 0.5123, now);
const old = reading(now / 1000 - 100.5, now);

const files = () => readdirSync(join(state, 'doubts'));

test('a doubt is recorded, kept, and known to the next run', async () => {
  const doubts = opened();
  doubts.publishing('f', fresh)();
  doubts.publishing('g', old)();
  await doubts.close(true);
  const again = opened();
  expect([...again.byPath.keys()]).toEqual(['f']);
  expect(again.byPath.get('f')).toMatchObject({ mtime: fresh.source.mtime, tells: true });
});

test('without doubts there is no file; a later copy that is proven removes it', async () => {
  const doubts = opened();
  doubts.publishing('g', old)();
  await doubts.close(true);
  expect(readdirSync(state)).toEqual([]);
  const first = opened();
  first.publishing('f', fresh)();
  await first.close(true);
  const second = opened();
  second.publishing('f', old)();
  await second.close(true);
  expect(files()).toEqual([]);
});

test.each(['killed', 'failed', 'taken over'])(
  '%s between the copy and its final name: only the bytes show what the destination has',
  async (how) => {
    const first = opened();
    first.publishing('f', fresh)();
    await first.close(true);
    const second = opened();
    const stands = second.publishing('f', reading(now / 1000 - 0.25, now));
    if (how === 'taken over') stands();
    if (how !== 'killed') await second.close(how === 'failed');
    expect(opened().byPath.get('f')).toMatchObject({ tells: false });
  },
);

test('an incomplete line is lost alone, and the lines after it are read', async () => {
  const first = opened();
  first.publishing('f', fresh);
  const file = join(state, 'doubts', files()[0] as string);
  writeFileSync(file, readFileSync(file, 'utf8') + readFileSync(file, 'utf8').slice(0, 30));
  const second = opened();
  expect([...second.byPath.keys()]).toEqual(['f']);
  second.publishing('g', fresh);
  expect([...opened().byPath.keys()]).toEqual(['f', 'g']);
});

test('doubts of other sides or other jobs are kept apart', async () => {
  const first = opened();
  first.publishing('f', fresh)();
  await first.close(true);
  expect(opened({ ...job, from: { ...job.from, path: '/x' } }).byPath.size).toBe(0);
  expect(opened({ ...job, name: 'other' }).byPath.size).toBe(0);
});

test('a stat of the source ends the doubts it can, equal bytes end the others', async () => {
  const past = now - 5000;
  const mtime = past / 1000 - 0.5123;
  const source = memoryEndpoint();
  for (const [path, is] of Object.entries({ same: mtime, changed: mtime + 0.1, whole: 1 }))
    source.put(path, 'x', { mtime: is });
  const doubts = opened();
  for (const path of ['same', 'changed', 'gone'])
    doubts.publishing(path, { ...reading(mtime, past), from: path })();
  const whole = { ...reading(Math.floor(past / 1000), past), from: 'whole' };
  doubts.publishing('whole', whole)();
  const early = { ...fresh, from: 'same' };
  doubts.publishing('early', early)();
  await doubts.checkSource(source, signal);
  expect([...doubts.byPath.keys()]).toEqual(['changed', 'whole', 'early']);
  doubts.same('early', now);
  doubts.same('whole', now);
  expect([...doubts.byPath.keys()]).toEqual(['changed', 'early']);
});

test('nothing is kept where only the size decides or the destination is never replaced', async () => {
  expect(openDoubts({ ...job, compare: 'size' }, state)).toBeUndefined();
  expect(openDoubts({ ...job, existing: 'skip' }, state)).toBeUndefined();
});

test('a file whose lines mostly no longer count is written anew', async () => {
  for (let run = 0; run < 60; run++) {
    const doubts = opened();
    doubts.publishing('f', fresh)();
    doubts.publishing('g', fresh)();
    await doubts.close(true);
    const lines = readFileSync(join(state, 'doubts', files()[0] as string), 'utf8').split('\n');
    expect(lines.filter((line) => line !== '').length).toBeLessThan(65);
    expect([...opened().byPath].map(([path, { tells }]) => [path, tells])).toEqual([
      ['f', true],
      ['g', true],
    ]);
  }
});
