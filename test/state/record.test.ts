/** A state folder belongs to one jobs.yml. */
import { mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import { acquireDaemonLock } from '../../src/state/lock.js';
import { checkRecord, claimFolder, readRecord } from '../../src/state/record.js';
import { temporaryFolder } from '../kit/files/temporary.js';

let folder: string;
let state: string;
let one: string;
let other: string;

beforeEach(async () => {
  folder = await temporaryFolder();
  state = join(folder, 'state');
  mkdirSync(state);
  one = written('one/jobs.yml');
  other = written('other/jobs.yml');
});

function written(path: string): string {
  const file = join(folder, path);
  mkdirSync(join(file, '..'), { recursive: true });
  writeFileSync(file, 'jobs: {}\n');
  return file;
}

const record = () => JSON.parse(readFileSync(join(state, 'state.json'), 'utf8'));

test('the first jobs.yml gets it, and keeps it', async () => {
  expect(await claimFolder(state, one)).toEqual({ how: 'unrecorded' });
  expect(record()).toEqual({ format: 1, config: one });
  expect(await claimFolder(state, one)).toEqual({ how: 'known' });
  expect(await checkRecord(state, one)).toEqual({ how: 'known' });
});

test('another jobs.yml is refused, naming both, and changes nothing', async () => {
  await claimFolder(state, one);
  for (const attempt of [claimFolder, checkRecord]) {
    const error = await attempt(state, other).catch((thrown) => thrown);
    expect(error.kind).toBe('busy');
    expect(error.message).toBe(`the state folder ${state} belongs to ${one}, not to ${other}`);
  }
  await expect(claimFolder(state, undefined)).rejects.toMatchObject({ kind: 'busy' });
  expect(record().config).toBe(one);
});

test('another name of the same file is not another jobs.yml', async () => {
  await claimFolder(state, one);
  symlinkSync(join(folder, 'one'), join(folder, 'current'));
  expect(await claimFolder(state, join(folder, 'current/jobs.yml'))).toEqual({ how: 'known' });
});

test('once the recorded file is gone, the next jobs.yml gets the folder', async () => {
  await claimFolder(state, one);
  rmSync(join(folder, 'one'), { recursive: true });
  expect(await claimFolder(state, other)).toEqual({ how: 'orphaned', from: one });
  expect(record().config).toBe(other);
  written('one/jobs.yml');
  await expect(claimFolder(state, one)).rejects.toMatchObject({ kind: 'busy' });
});

test('a process that still uses it keeps it, even if its jobs.yml was moved', async () => {
  await claimFolder(state, one);
  const lock = await acquireDaemonLock(state);
  rmSync(one);
  const error = await claimFolder(state, other).catch((thrown) => thrown);
  expect(error.kind).toBe('busy');
  expect(error.message).toContain(`process ${process.pid} still uses it`);
  expect(record().config).toBe(one);
  await lock.release();
  expect(await claimFolder(state, other)).toEqual({ how: 'orphaned', from: one });
});

test('of many that come at once, one gets it', async () => {
  const files = Array.from({ length: 20 }, (_, i) => written(`many-${i}/jobs.yml`));
  const claims = await Promise.allSettled(files.map((file) => claimFolder(state, file)));
  const got = files.filter((_, i) => claims[i]?.status === 'fulfilled');
  expect(got).toEqual([record().config]);
});

test('ad hoc runs have no jobs.yml; one that comes later gets the folder', async () => {
  await claimFolder(state, undefined);
  expect(record()).toEqual({ format: 1 });
  expect(await claimFolder(state, undefined)).toEqual({ how: 'known' });
  expect(await claimFolder(state, one)).toEqual({ how: 'unrecorded' });
  expect(record().config).toBe(one);
});

test('a newer format is refused, naming the version', async () => {
  writeFileSync(join(state, 'state.json'), JSON.stringify({ format: 2, config: one }));
  await expect(claimFolder(state, one)).rejects.toMatchObject({
    kind: 'config',
    message: expect.stringContaining(
      'has format 2; this version of ferryline knows formats up to 1',
    ),
  });
});

test.each(['', '{', '[]', 'null', '{"format":"1"}', '{"config":"/x"}'])(
  'a damaged record %j counts as none',
  async (text) => {
    writeFileSync(join(state, 'state.json'), text);
    expect(await readRecord(state)).toBe(undefined);
    expect(await claimFolder(state, one)).toEqual({ how: 'unrecorded' });
    expect(record()).toEqual({ format: 1, config: one });
  },
);

test('no folder, no record', async () => {
  expect(await checkRecord(join(folder, 'missing'), one)).toEqual({ how: 'unrecorded' });
});
