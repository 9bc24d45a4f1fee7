import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { FerryError } from '../../src/core/errors.js';
import type { Report } from '../../src/core/events.js';
import type { Job } from '../../src/core/job.js';
import { createHistory } from '../../src/state/history.js';
import {
  countIdle,
  type ListOptions,
  listReports,
  readReport,
  saveReport,
} from '../../src/state/reports.js';
import { reportOfNoStart } from '../../src/workers/run/report.js';
import { temporaryFolder } from '../kit/files/temporary.js';

const now = new Date('2026-11-24T02:00:00.250Z');
const job = { name: 'nightly', operation: 'mirror' } as Job;
const error = new FerryError('busy', 'job nightly runs already', { hint: 'wait' });

function report(run: string, change: Partial<Report> = {}): Report {
  return { ...reportOfNoStart(job, { run, trigger: 'manual', attempt: 1 }, error, now), ...change };
}

test('a report is kept whole, for its owner only, in place of an earlier attempt of the run', async () => {
  const state = await temporaryFolder();
  await saveReport(state, report('20261124T020000Z-aaaaaaaa'), { count: 5 });
  const last = report('20261124T020000Z-aaaaaaaa', { attempt: 2 });
  await saveReport(state, last, { count: 5 });
  const folder = join(state, 'runs/nightly');
  expect(readdirSync(folder)).toEqual(['20261124T020000Z-aaaaaaaa.json']);
  const file = join(folder, '20261124T020000Z-aaaaaaaa.json');
  expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual(last);
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(statSync(folder).mode & 0o777).toBe(0o700);
});

test('reports that can’t be saved are saved once they can be: of each run the last attempt', async () => {
  const state = await temporaryFolder();
  const errors: string[] = [];
  const lost: string[] = [];
  const history = createHistory({
    state,
    historyOf: () => ({ count: 5 }),
    forget: async () => {},
    onError: ({ message }) => errors.push(message),
    onLost: ({ run }) => lost.push(run),
  });
  const inTheWay = join(state, 'runs');
  writeFileSync(inTheWay, '');
  const [one, two] = ['20261124T020000Z-aaaaaaaa', '20261124T020000Z-bbbbbbbb'] as const;
  const never = '20261124T020000Z-cccccccc';
  await history.keep(report(never, { job: 'never' }));
  await history.keep(report(one));
  await history.keep(report(one, { attempt: 2 }));
  await history.keep(report(two));
  expect(errors).toHaveLength(4);
  expect(errors[1]).toContain(`the report of run ${one} can't be saved yet, and is tried again`);
  rmSync(inTheWay);
  mkdirSync(inTheWay);
  // One that can never be saved does not keep the others.
  writeFileSync(join(inTheWay, 'never'), '');
  const kept = await vi.waitUntil(
    async () => {
      const all = [await readReport(state, one), await readReport(state, two)];
      return all.every((found) => found !== undefined) && all;
    },
    { timeout: 60_000 },
  );
  expect(kept.map((found) => found?.attempt)).toEqual([2, 1]);
  // At the end each is tried once more, and what is lost is named.
  const three = '20261124T020000Z-dddddddd';
  rmSync(inTheWay, { recursive: true });
  writeFileSync(inTheWay, '');
  await history.keep(report(three));
  rmSync(inTheWay);
  mkdirSync(inTheWay);
  writeFileSync(join(inTheWay, 'never'), '');
  await history.close();
  expect(await readReport(state, three)).toMatchObject({ run: three });
  expect(lost).toEqual([never]);
}, 90_000);

test('the oldest reports beyond the history are removed', async () => {
  const state = await temporaryFolder();
  for (let i = 0; i < 5; i++)
    await saveReport(state, report(`2026112${i}T020000Z-aaaaaaaa`), { count: 3 });
  expect(readdirSync(join(state, 'runs/nightly'))).toEqual([
    '20261122T020000Z-aaaaaaaa.json',
    '20261123T020000Z-aaaaaaaa.json',
    '20261124T020000Z-aaaaaaaa.json',
  ]);
});

describe('runs that changed nothing', () => {
  const idle = { outcome: 'succeeded', exitCode: 0 } as const;
  const id = (minute: number) => `20261124T02${String(minute).padStart(2, '0')}00Z-aaaaaaaa`;
  const names = (state: string) => readdirSync(join(state, 'runs/nightly')).sort();

  test('push out no others, and others don’t push them out', async () => {
    const state = await temporaryFolder();
    await saveReport(state, report(id(0)), { count: 2 });
    for (let minute = 1; minute <= 5; minute++)
      await saveReport(state, report(id(minute), idle), { count: 2 });
    expect(names(state)).toEqual([`${id(0)}.json`, `${id(4)}.idle.json`, `${id(5)}.idle.json`]);
    for (let minute = 6; minute <= 8; minute++)
      await saveReport(state, report(id(minute)), { count: 2 });
    expect(names(state)).toEqual(
      [4, 5].map((n) => `${id(n)}.idle.json`).concat([7, 8].map((n) => `${id(n)}.json`)),
    );
    expect((await listReports(state, { limit: 9 })).map(({ run }) => run)).toEqual(
      [8, 7, 5, 4].map(id),
    );
    expect((await listReports(state, { limit: 9, idle: false })).map(({ run }) => run)).toEqual(
      [8, 7].map(id),
    );
    expect(await countIdle(state, 'nightly')).toBe(2);
    expect(await countIdle(state, undefined, id(4))).toBe(1);
    expect(await countIdle(state, 'other')).toBe(0);
    expect(await readReport(state, id(4))).toEqual(report(id(4), idle));
  });

  test('are kept for the time of the history, and the newest for ever', async () => {
    const state = await temporaryFolder();
    const history = { ms: 90_000 };
    for (const minute of [0, 1]) await saveReport(state, report(id(minute), idle), history);
    await saveReport(state, report(id(2)), history);
    expect(names(state)).toEqual([`${id(1)}.idle.json`, `${id(2)}.json`]);
    expect(await saveReport(state, report(id(30)), history)).toEqual([id(2)]);
    expect(names(state)).toEqual([`${id(1)}.idle.json`, `${id(30)}.json`]);
  });

  test('are at most 500, however long the history', async () => {
    const state = await temporaryFolder();
    const folder = join(state, 'runs/nightly');
    mkdirSync(folder, { recursive: true });
    for (let n = 0; n < 600; n++)
      writeFileSync(
        join(folder, `20261124T0100${String(n % 60).padStart(2, '0')}Z-${1000 + n}.idle.json`),
        '{}',
      );
    expect(await saveReport(state, report(id(1), idle), { ms: 86_400_000 })).toHaveLength(101);
    expect(names(state)).toHaveLength(500);
    expect(names(state).at(-1)).toBe(`${id(1)}.idle.json`);
  });

  test('one whose files vanished, or that its window stopped, is not among them', async () => {
    const state = await temporaryFolder();
    const files = { ...report(id(1)).files, vanished: 1 };
    await saveReport(state, report(id(1), { ...idle, files }), { count: 5 });
    await saveReport(state, report(id(2), { ...idle, stoppedBy: 'window' }), { count: 5 });
    expect(names(state)).toEqual([1, 2].map((n) => `${id(n)}.json`));
  });

  test('a run has one report, whatever its attempts found', async () => {
    const state = await temporaryFolder();
    await saveReport(state, report(id(1), idle), { count: 5 });
    await saveReport(state, report(id(1), { attempt: 2 }), { count: 5 });
    expect(names(state)).toEqual([`${id(1)}.json`]);
    // What the first attempt did is in no report, so that the second does not count as idle.
    await saveReport(state, report(id(1), { ...idle, attempt: 2 }), { count: 5 });
    expect(names(state)).toEqual([`${id(1)}.json`]);
    await saveReport(state, report(id(1), idle), { count: 5 });
    expect(names(state)).toEqual([`${id(1)}.idle.json`]);
  });
});

describe('kept reports', () => {
  const id = (day: number, tail = 'aaaaaaaa') =>
    `202611${String(day).padStart(2, '0')}T020000Z-${tail}`;
  const keep = (state: string, run: string, name = 'nightly') =>
    saveReport(state, report(run, { job: name }), { count: 500 });

  test('saving one returns the runs whose reports it removed, and touches no other file', async () => {
    const state = await temporaryFolder();
    const folder = join(state, 'runs/nightly');
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, '0-notes.json'), 'mine');
    expect(await saveReport(state, report(id(1)), { count: 2 })).toEqual([]);
    expect(await saveReport(state, report(id(2)), { count: 2 })).toEqual([]);
    expect(await saveReport(state, report(id(3)), { count: 2 })).toEqual([id(1)]);
    expect(readdirSync(folder).sort()).toEqual(['0-notes.json', `${id(2)}.json`, `${id(3)}.json`]);
  });

  test('the newest of all jobs come first, or those of one job, or those before a run', async () => {
    const state = await temporaryFolder();
    for (let day = 1; day <= 9; day++) {
      await keep(state, id(day, 'aa'));
      await keep(state, id(day, 'bb'), 'other');
    }
    const runs = async (options: ListOptions) =>
      (await listReports(state, options)).map(({ run, job }) => `${run} ${job}`);
    expect(await runs({ limit: 3 })).toEqual([
      `${id(9, 'bb')} other`,
      `${id(9, 'aa')} nightly`,
      `${id(8, 'bb')} other`,
    ]);
    expect(await runs({ limit: 2, job: 'nightly' })).toEqual([
      `${id(9, 'aa')} nightly`,
      `${id(8, 'aa')} nightly`,
    ]);
    expect(await runs({ limit: 1, before: id(8, 'bb') })).toEqual([`${id(8, 'aa')} nightly`]);
    expect(await runs({ limit: 100 })).toHaveLength(18);
    expect(await runs({ limit: 0 })).toEqual([]);
    for (const nobody of ['no-such', '..', '../runs/nightly', ''])
      expect(await runs({ limit: 5, job: nobody })).toEqual([]);
  });

  test('only the files that are asked for are read', async () => {
    const state = await temporaryFolder();
    for (let day = 1; day <= 20; day++) await keep(state, id(day));
    const folder = join(state, 'runs/nightly');
    // reading a pipe that nobody writes to never ends
    for (let day = 1; day <= 17; day++) {
      rmSync(join(folder, `${id(day)}.json`));
      execFileSync('mkfifo', [join(folder, `${id(day)}.json`)]);
    }
    const found = await listReports(state, { limit: 3 });
    expect(found.map(({ run }) => run)).toEqual([id(20), id(19), id(18)]);
  });

  test('half-written, foreign and misnamed files are passed over and take no place in the list', async () => {
    const state = await temporaryFolder();
    for (let day = 1; day <= 4; day++) await keep(state, id(day));
    const folder = join(state, 'runs/nightly');
    writeFileSync(join(state, 'runs/not-a-folder'), '');
    mkdirSync(join(folder, `${id(28)}.json`));
    writeFileSync(join(folder, `${id(27)}.json`), '');
    writeFileSync(join(folder, `${id(26)}.json`), JSON.stringify(report(id(26))).slice(0, 50));
    writeFileSync(join(folder, `${id(25)}.json`), 'null');
    writeFileSync(join(folder, `${id(24)}.json`), JSON.stringify(report(id(4))));
    writeFileSync(join(folder, `.${id(23)}.0abc`), JSON.stringify(report(id(23))));
    writeFileSync(join(folder, 'zzz.json'), JSON.stringify(report('zzz')));
    const found = await listReports(state, { limit: 2 });
    expect(found.map(({ run }) => run)).toEqual([id(4), id(3)]);
    for (const day of [23, 24, 25, 26, 27, 28])
      expect(await readReport(state, id(day))).toBeUndefined();
  });

  test('one is found by its run alone; text that is no run id is never part of a path', async () => {
    const state = await temporaryFolder();
    await keep(state, id(1, 'aa'));
    await keep(state, id(1, 'bb'), 'other');
    expect(await readReport(state, id(1, 'bb'))).toEqual(report(id(1, 'bb'), { job: 'other' }));
    expect(await readReport(state, id(2))).toBeUndefined();
    const jobs = Array.from({ length: 20 }, (_, i) => `job-${i}`);
    for (const [i, name] of jobs.entries()) await keep(state, id(3, `${i}`), name);
    for (const [i, job] of jobs.entries())
      expect(await readReport(state, id(3, `${i}`))).toMatchObject({ job });
    writeFileSync(join(state, 'x.json'), JSON.stringify(report('../../x')));
    for (const no of ['../../x', '', id(1, '../aa'), `${id(1, 'a'.repeat(300))}`])
      expect(await readReport(state, no)).toBeUndefined();
  });

  test('there are none before the first run', async () => {
    const state = await temporaryFolder();
    expect(await listReports(state, { limit: 5 })).toEqual([]);
    expect(await readReport(state, id(1))).toBeUndefined();
  });
});
