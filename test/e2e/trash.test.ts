/** The trash takes what copies replace, on every kind of server, and is pruned. */
import { mkdirSync, readdirSync, renameSync, statSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test as plain } from 'vitest';
import { test } from '../kit/base.js';
import { temporaryFolder } from '../kit/files/temporary.js';
import { mtimeOf, randomBytes, readTree, sameTree, writeTree } from '../kit/files/tree.js';
import type { RealServer } from '../kit/servers/real-server.js';
import { openTrashScene, trashServers } from '../kit/servers/trash-servers.js';

const then = 1_600_000_000;
const bin = '.ferryline/trash';
const large = randomBytes(5_000_000, 1);
const old = { a: 'old a', 'sub/b': large, same: 'same' };
const fresh = { a: 'new a!', 'sub/b': randomBytes(300_000, 2), same: 'same', more: 'more' };

for (const [name, start] of Object.entries(trashServers))
  describe(name, () => {
    let server: RealServer;
    beforeAll(async () => {
      server = await start();
    });
    afterAll(() => server?.stop());

    plain.for(['push', 'mirror'])(
      '%s: the old files are in the trash, whole, with their times; the next run has nothing to do',
      async (operation) => {
        const scene = await openTrashScene(server, { operation });
        scene.writeThere(old, { mtime: then });
        scene.writeHere(fresh, { mtime: then + 100 });
        scene.writeHere({ same: 'same' }, { mtime: then });
        const { code, report, stderr } = await scene.run();
        expect(code, stderr).toBe(0);
        expect(report.files).toMatchObject({ copied: 3, unchanged: 1 });
        expect(sameTree(scene.here(), scene.there())).toBe(true);
        const kept = join(bin, report.run);
        const wanted = await temporaryFolder();
        writeTree(wanted, { a: old.a, 'sub/b': large });
        expect(readTree(scene.there(kept))).toEqual(readTree(wanted));
        expect(mtimeOf(scene.there(kept), 'a')).toBe(then);
        expect(mtimeOf(scene.there(kept), 'sub/b')).toBe(then);
        expect(readdirSync(scene.there(bin))).toEqual([report.run]);
        const second = await scene.run();
        expect(second.report.files).toMatchObject({ copied: 0, deleted: 0, unchanged: 4 });
      },
    );
  });

test('a pull keeps what it replaces on this machine, with its mode', async ({ scene }) => {
  scene.writeThere({ a: 'new a!', 'sub/b': 'new b!' }, { mtime: then + 100 });
  scene.writeHere({ a: 'old a', 'sub/b': 'old b' }, { mtime: then });
  const mode = statSync(scene.here('a')).mode;
  const job = { operation: 'pull', from: `archive:${scene.place}`, to: './data', trash: true };
  await scene.jobs(job);
  const { code, report } = await scene.run();
  expect(code).toBe(0);
  const kept = join(bin, report.run);
  expect(readTree(scene.here(kept))).toEqual({ a: 'old a', 'sub/b': 'old b' });
  expect(statSync(scene.here(`${kept}/a`)).mode).toBe(mode);
  expect(mtimeOf(scene.here(kept), 'a')).toBe(then);
});

test('a link that another one replaces is kept, too', async ({ scene }) => {
  scene.writeThere({ a: '', b: '', link: { link: 'a' } });
  scene.writeHere({ a: '', b: '', link: { link: 'b' } });
  await scene.jobs({ symlinks: 'preserve', trash: true, compare: 'size' });
  const { code, report } = await scene.run();
  expect(code).toBe(0);
  expect(readTree(scene.there())).toMatchObject({ link: { link: 'b' } });
  expect(readTree(scene.there(`${bin}/${report.run}`))).toEqual({ link: { link: 'a' } });
});

test('without `trash`, and for new files with it, nothing is kept and no trash is made', async ({
  scene,
}) => {
  scene.writeThere({ a: 'old' }, { mtime: then });
  scene.writeHere({ a: 'new!' });
  await scene.jobs({ operation: 'push' });
  expect((await scene.run()).report.files.copied).toBe(1);
  scene.writeHere({ b: 'fresh' });
  await scene.jobs({ operation: 'push', trash: true });
  expect((await scene.run()).report.files.copied).toBe(1);
  expect(readTree(scene.there(), { ours: true })).toEqual({ a: 'new!', b: 'fresh' });
});

test('push and pull prune what is older than `keep`', async ({ scene }) => {
  scene.writeThere({ a: 'one' }, { mtime: then });
  scene.writeHere({ a: 'two!' });
  await scene.jobs({ operation: 'push', trash: { keep: '1h' } });
  const { report } = await scene.run();
  const ago = report.run.replace(/^\d{8}/, '20200101');
  renameSync(scene.there(`${bin}/${report.run}`), scene.there(`${bin}/${ago}`));
  writeTree(scene.there(bin), { [`${ago}.1/deep/er`]: 'kept twice', 'mine/file': 'no run' });
  expect((await scene.run()).code).toBe(0);
  expect(readTree(scene.there(), { ours: true })).toEqual({
    a: 'two!',
    [`${bin}/mine/file`]: 'no run',
  });
});

describe('a trash that leads elsewhere', () => {
  for (const link of ['.ferryline', bin])
    test(`${link} is a link: nothing is overwritten, deleted or pruned, 3`, async ({ scene }) => {
      scene.writeThere({ a: 'old', gone: 'g' }, { mtime: then });
      scene.writeHere({ a: 'new!' });
      const elsewhere = scene.there('../elsewhere');
      writeTree(elsewhere, {
        'trash/20200101T000000Z-00abc/x': 'x',
        '20200101T000000Z-00abc/x': 'x',
      });
      mkdirSync(join(scene.there(link), '..'), { recursive: true });
      symlinkSync(elsewhere, scene.there(link));
      await scene.jobs({ trash: { keep: '1h' }, delete: { max: '100%' } });
      const before = readTree(elsewhere);
      const { code, report } = await scene.run('--delete-max', '100%');
      expect(code).toBe(3);
      expect(report.failures).toMatchObject([{ path: 'a', kind: 'io' }]);
      expect(report.failures[0].message).toContain('link');
      expect(readTree(scene.there())).toMatchObject({ a: 'old', gone: 'g' });
      expect(readTree(elsewhere)).toEqual(before);
    });
});
