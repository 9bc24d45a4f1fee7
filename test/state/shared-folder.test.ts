/** What an earlier version kept in one folder for all jobs.yml of a user moves to the folder of each, and nothing is lost. */
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { acquireDaemonLock, acquireJobLock } from '../../src/state/lock.js';
import { holdsState, migrateShared } from '../../src/state/shared-folder.js';
import { temporaryFolder } from '../kit/files/temporary.js';

/** Written by the version before: a daemon of `nightly` and `publish` with one of them paused, a run by hand of `publish`, one of another jobs.yml's `photos`, and an ad hoc push. */
const fixture = join(import.meta.dirname, 'fixtures/shared');

let shared: string;

beforeEach(async () => {
  shared = join(await temporaryFolder(), 'ferryline');
  cpSync(fixture, shared, { recursive: true });
  // The database itself is too large for the fixture.
  mkdirSync(join(shared, 'queue/pglite'), { recursive: true });
  writeFileSync(join(shared, 'queue/clean'), '');
});

const isAdHoc = (job: string) => /^(?:push|pull|mirror)-[0-9a-f]{8}$/.test(job);
const isShops = (job: string) => job === 'nightly' || job === 'publish';
const isPhotos = (job: string) => job === 'photos';

function migrate(name: string, isOurs: (job: string) => boolean, mayHaveDaemon = true) {
  const to = join(shared, name);
  mkdirSync(to);
  return migrateShared({ from: shared, to, isOurs, isAdHoc, mayHaveDaemon });
}

function filesIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8', withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .sort();
}

const doubts = ['doubts/13a8f1e7b7b4c740.ndjson', 'doubts/41fcd3c339334106.ndjson'];

test('each jobs.yml gets what is of its jobs, and at the end nothing is left behind', async () => {
  const before = filesIn(shared);
  expect(await migrate('shop', isShops)).toEqual({ runs: 2, queueStays: false });
  expect(filesIn(join(shared, 'shop'))).toEqual([
    ...doubts,
    'logs/20261130T025740Z-kx3000ec.ndjson',
    'paused.json',
    'queue/clean',
    'runs/nightly/20261130T025740Z-kx3000ec.json',
    'runs/publish/20261130T025743Z-g6d6a666.json',
    'slots.json',
  ]);
  for (const file of ['paused.json', 'slots.json', ...doubts])
    expect(readFileSync(join(shared, 'shop', file))).toEqual(readFileSync(join(fixture, file)));

  expect(await migrate('photos', isPhotos)).toEqual({ runs: 1, queueStays: false });
  expect(filesIn(join(shared, 'photos'))).toEqual([
    ...doubts,
    'runs/photos/20261130T025744Z-arfea0b8.json',
    'transfers.log',
  ]);

  expect(await migrate('ad-hoc', isAdHoc, false)).toEqual({ runs: 1, queueStays: false });
  expect(filesIn(join(shared, 'ad-hoc'))).toEqual([
    ...doubts,
    'runs/push-9ab284bc/20261130T025745Z-9o9499c6.json',
  ]);

  expect(await holdsState(shared)).toBe(false);
  const after = ['shop', 'photos', 'ad-hoc'].flatMap((name) => filesIn(join(shared, name)));
  expect([...new Set(after)].sort()).toEqual(before);
});

test('the queue of a daemon with other jobs stays where it is', async () => {
  expect(await migrate('photos', isPhotos)).toEqual({ runs: 1, queueStays: true });
  expect(existsSync(join(shared, 'queue/clean'))).toBe(true);
  expect(existsSync(join(shared, 'photos/paused.json'))).toBe(false);
  expect((await migrate('shop', isShops)).queueStays).toBe(false);
  expect(existsSync(join(shared, 'shop/queue/clean'))).toBe(true);
});

test('a migration that was cut short goes on where it ended', async () => {
  mkdirSync(join(shared, 'shop/runs/nightly'), { recursive: true });
  const report = 'runs/nightly/20261130T025740Z-kx3000ec.json';
  cpSync(join(shared, report), join(shared, 'shop', report));
  writeFileSync(join(shared, 'shop/paused.json'), '{"nightly":{"paused":false,"at":1}}');
  await migrateShared({
    ...{ from: shared, to: join(shared, 'shop'), isOurs: isShops, isAdHoc },
    mayHaveDaemon: true,
  });
  expect(existsSync(join(shared, 'shop', report))).toBe(true);
  expect(existsSync(join(shared, 'runs/nightly'))).toBe(false);
  expect(readFileSync(join(shared, 'shop/paused.json'), 'utf8')).toContain('"paused":false');
});

describe('while a process of the earlier version works there, nothing moves', () => {
  test.each([
    ['its daemon', () => acquireDaemonLock(shared)],
    ['a run', () => acquireJobLock(shared, 'nightly')],
  ])('%s', async (_, acquire) => {
    const lock = await acquire();
    await expect(migrate('shop', isShops)).rejects.toMatchObject({
      kind: 'busy',
      message: expect.stringContaining(`process ${process.pid} of an earlier version`),
    });
    expect(filesIn(join(shared, 'shop'))).toEqual([]);
    await lock.release();
  });
});
