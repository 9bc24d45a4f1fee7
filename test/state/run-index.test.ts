/** runs.index: a cache of what the reports say. Whatever becomes of the file, the reports are found. */
import {
  appendFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import type { Report } from '../../src/core/events.js';
import { addToIndex, rebuildIndex } from '../../src/state/index-file.js';
import { saveReport } from '../../src/state/reports.js';
import { RunIndex } from '../../src/state/run-index.js';
import { type RunLine, readLine, textOfLine } from '../../src/state/run-line.js';
import { RunTable } from '../../src/state/run-table.js';
import { reportOf } from '../kit/daemons/controls.js';
import { temporaryFolder } from '../kit/files/temporary.js';

const id = (n: number) => `20261124T02${String(n).padStart(4, '0')}Z-0gk3f97c`;
const idle = { files: { ...reportOf(id(0)).files, copied: 0, deleted: 0 } };

function save(state: string, n: number, change: Partial<Report> = {}): Promise<string[]> {
  return saveReport(state, reportOf(id(n), change), { count: 100 });
}

/** The runs that an index has, oldest first. */
async function runsOf(index: RunIndex): Promise<string[]> {
  return (await index.table()).all().map(({ run, job, outcome }) => `${run} ${job} ${outcome}`);
}

const line = (n: number, outcome = 'succeeded', job = 'nightly') => `${id(n)} ${job} ${outcome}`;

/** What the lines of the file say, by themselves. */
function linesIn(state: string): RunLine[] {
  const lines = readFileSync(join(state, 'runs.index'), 'utf8').split('\n').map(readLine);
  return lines.filter((one) => one !== undefined);
}

function open(state: string): RunIndex {
  const errors: Error[] = [];
  const index = new RunIndex({ state, onError: (error) => errors.push(error) });
  onTestFinished(async () => {
    await index.close();
    expect(errors).toEqual([]);
  });
  return index;
}

test('reports of an earlier version, which wrote no index, are found', async () => {
  const state = await temporaryFolder();
  await save(state, 2, { outcome: 'failed' });
  await save(state, 1, idle);
  expect(existsSync(join(state, 'runs.index'))).toBe(false);
  expect(await runsOf(open(state))).toEqual([line(1), line(2, 'failed')]);
  expect(statSync(join(state, 'runs.index')).mode & 0o777).toBe(0o600);
});

test('what this process and others save is there at once, and what a history removes leaves it', async () => {
  const state = await temporaryFolder();
  const index = open(state);
  expect(await runsOf(index)).toEqual([]);
  await save(state, 1);
  await save(state, 2);
  expect(await runsOf(index)).toEqual([line(1), line(2)]);
  // a later attempt of a run
  await save(state, 1, { outcome: 'incomplete', attempt: 2 });
  await saveReport(state, reportOf(id(3)), { count: 2 });
  expect(await runsOf(index)).toEqual([line(2), line(3)]);
  await index.close();
  expect(await runsOf(open(state))).toEqual([line(2), line(3)]);
});

test('a line of the longest names has at most 300 bytes, and no name can break it', () => {
  const run = { run: id(1), job: 'j'.repeat(64), outcome: 'incomplete', idle: true } as const;
  const text = textOfLine({ ...run, endedAt: '2026-11-24T02:00:04.200Z' }) ?? '';
  expect(Buffer.byteLength(text)).toBeLessThanOrEqual(300);
  expect(readLine(text)).toEqual({ ...run, endedAt: '2026-11-24T02:00:04.200Z' });
  expect(textOfLine({ run: id(1), job: 'j'.repeat(65), gone: true })).toBeUndefined();
});

test.each(['', 'null', '[]', '{}', '{"run":"x"}', `{"run":"${id(1)}","job":"a"}`, '{"run":'])(
  'a line that makes no sense says nothing: %s',
  (text) => {
    expect(readLine(text)).toBeUndefined();
  },
);

test.each<[what: string, damage: (file: string) => void]>([
  ['deleted', (file) => rmSync(file)],
  ['emptied', (file) => writeFileSync(file, '')],
  [
    'cut in the middle of a line',
    (file) => writeFileSync(file, readFileSync(file).subarray(0, 50)),
  ],
  ['overwritten', (file) => writeFileSync(file, Buffer.alloc(70_000, 0xff))],
  ['followed by bytes that are no line', (file) => appendFileSync(file, 'damaged\n')],
])(
  'an index that is %s loses nothing, while a daemon uses it and at its next start',
  async (_, damage) => {
    const state = await temporaryFolder();
    const file = join(state, 'runs.index');
    const index = open(state);
    for (const n of [1, 2]) await save(state, n);
    expect(await runsOf(index)).toEqual([line(1), line(2)]);
    damage(file);
    await save(state, 3, { outcome: 'refused' });
    const all = [line(1), line(2), line(3, 'refused')];
    expect(await runsOf(index)).toEqual(all);
    damage(file);
    await index.close();
    expect(await runsOf(open(state))).toEqual(all);
  },
);

test('a line that a killed process left half written is no damage to those that follow', async () => {
  const state = await temporaryFolder();
  const index = open(state);
  await save(state, 1);
  expect(await runsOf(index)).toEqual([line(1)]);
  appendFileSync(join(state, 'runs.index'), `{"run":"${id(2)}","jo`);
  expect(await runsOf(index)).toEqual([line(1)]);
  await save(state, 3);
  expect(linesIn(state).map(({ run }) => run)).toEqual([id(1), id(3)]);
  expect(await runsOf(index)).toEqual([line(1), line(3)]);
});

test('a line that is added while the file is replaced is in the new one', async () => {
  const state = await temporaryFolder();
  for (let n = 0; n < 50; n++) await save(state, n);
  await rebuildIndex(state);
  for (let n = 100; n < 200; n++) {
    // So that it is replaced. No report is kept of the line below: a later look at the reports can't find it.
    await addToIndex(state, []);
    let isReplaced = false;
    const rebuilt = rebuildIndex(state).finally(() => {
      isReplaced = true;
    });
    while (!isReplaced && !readdirSync(state).some((name) => name.endsWith('.new')))
      await setImmediate();
    await addToIndex(state, [{ run: id(n), job: 'nightly', gone: true }]);
    await rebuilt;
    expect(linesIn(state).map(({ run }) => run)).toContain(id(n));
  }
});

test('a start takes out what is superseded, and puts in what is missing', async () => {
  const state = await temporaryFolder();
  const index = open(state);
  await index.table();
  for (const n of [1, 2]) await save(state, n);
  await index.close();
  rmSync(join(state, `runs/nightly/${id(1)}.json`));
  // an earlier version writes no index
  const file = join(state, 'runs.index');
  const before = readFileSync(file);
  await save(state, 3);
  writeFileSync(file, before);
  expect(await runsOf(open(state))).toEqual([line(2), line(3)]);
  expect(readFileSync(file, 'utf8').trimEnd().split('\n')).toHaveLength(2);
});

test('what is added while the index is made again is kept, again and again', async () => {
  const state = await temporaryFolder();
  await rebuildIndex(state);
  let [saved, rebuilt, ended] = [0, 0, false];
  const saves = (async () => {
    while (saved < 200 || rebuilt <= 5) await save(state, ++saved, { job: `job-${saved % 10}` });
    ended = true;
  })();
  while (!ended) {
    await rebuildIndex(state);
    rebuilt++;
  }
  await saves;
  // by what its lines say alone: no report is looked at
  const table = new RunTable();
  for (const text of readFileSync(join(state, 'runs.index'), 'utf8').split('\n')) {
    const said = readLine(text);
    if (said !== undefined) table.apply(said);
  }
  expect(table.all().map(({ run }) => run)).toEqual(
    Array.from({ length: saved }, (_, n) => id(n + 1)),
  );
});

test('an index that can’t be written costs a look at the reports, and is told', async () => {
  const state = await temporaryFolder();
  await save(state, 1);
  writeFileSync(join(state, 'in-the-way'), '');
  const errors: string[] = [];
  const index = new RunIndex({
    state: join(state, 'in-the-way'),
    onError: ({ message }) => errors.push(message),
  });
  expect(await runsOf(index)).toEqual([]);
  expect(errors).toEqual([expect.stringContaining("runs.index can't be written")]);
  await index.close();
});

test('the newest runs of one job or all, and those that changed nothing', () => {
  const table = new RunTable();
  const run = (n: number, job: string, isIdle = false) =>
    table.apply({ run: id(n), job, outcome: 'succeeded', endedAt: '', idle: isIdle });
  for (const n of [3, 1, 2]) run(n, 'one', n === 2);
  run(2, 'other');
  const named = (options: Partial<Parameters<RunTable['newest']>[0]>) =>
    table.newest({ limit: 9, idle: true, ...options }).map((one) => `${one.run} ${one.job}`);
  expect(named({})).toEqual([`${id(3)} one`, `${id(2)} other`, `${id(2)} one`, `${id(1)} one`]);
  expect(named({ job: 'one', idle: false })).toEqual([`${id(3)} one`, `${id(1)} one`]);
  expect(named({ before: id(3), limit: 1 })).toEqual([`${id(2)} other`]);
  expect(named({ job: 'no' })).toEqual([]);
  expect([
    table.countIdle(undefined),
    table.countIdle('other'),
    table.countIdle('one', id(2)),
  ]).toEqual([1, 0, 0]);
  expect(table.named(id(2)).map(({ job }) => job)).toEqual(['one', 'other']);
  for (const n of [1, 2, 2, 3]) table.apply({ run: id(n), job: 'one', gone: true });
  expect([table.size, table.hasJob('one'), table.hasJob('other')]).toEqual([1, false, true]);
});
