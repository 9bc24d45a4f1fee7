/** What happens to a source file once its copy is proven: deleted, or moved to an archive. */
import { existsSync, rmSync, symlinkSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { giveTo, serverAccount } from '../kit/account.js';
import { test } from '../kit/base.js';
import { writeJobs } from '../kit/daemons/cli.js';
import { mtimeOf, readTree } from '../kit/files/tree.js';
import { remoteIn, type Scene } from '../kit/scene.js';
import type { Sshd } from '../kit/servers/sshd.js';

const tree = { 'a.txt': 'a', 'sub/b.txt': 'bb' };

describe('push', () => {
  test('delete: gone here, there at the other side', async ({ scene }) => {
    scene.writeHere(tree);
    await scene.jobs({ operation: 'push', after: 'delete' });
    expect((await scene.run()).code).toBe(0);
    expect(readTree(scene.there())).toEqual(tree);
    expect(readTree(scene.here())).toEqual({ 'sub/': null });
  });

  test('a file found equal counts as proven too', async ({ scene }) => {
    scene.writeHere(tree, { mtime: 1_700_000_000 });
    scene.writeThere(tree, { mtime: 1_700_000_000 });
    await scene.jobs({ operation: 'push', after: 'delete' });
    expect((await scene.run()).report.files).toMatchObject({ copied: 0, unchanged: 2 });
    expect(readTree(scene.here())).toEqual({ 'sub/': null });
  });

  test('one that failed stays, the others go', async ({ scene }) => {
    scene.writeHere({ ...tree, x: 'file' });
    scene.writeThere({ 'x/y': '' });
    await scene.jobs({ operation: 'push', after: 'delete' });
    expect((await scene.run()).code).toBe(3);
    expect(readTree(scene.here())).toEqual({ 'sub/': null, x: 'file' });
  });

  test('what is out of scope stays', async ({ scene }) => {
    scene.writeHere({ ...tree, 'c.tmp': 'c' });
    await scene.jobs({ operation: 'push', after: 'delete', exclude: ['*.tmp'] });
    expect((await scene.run()).code).toBe(0);
    expect(readTree(scene.here())).toEqual({ 'c.tmp': 'c', 'sub/': null });
  });

  test('of links that are followed, each has its copy before what they lead to goes', async ({
    scene,
  }) => {
    scene.writeHere(tree);
    symlinkSync('a.txt', scene.here('0-first'));
    symlinkSync('a.txt', scene.here('last'));
    symlinkSync('sub', scene.here('folder'));
    await scene.jobs({ operation: 'push', symlinks: 'follow', after: { archive: './sent' } });
    const { code, report } = await scene.run();
    expect([code, report.files.copied, report.files.vanished]).toEqual([0, 5, 0]);
    const links = { '0-first': 'a', last: 'a', 'folder/b.txt': 'bb' };
    expect(readTree(scene.there())).toEqual({ ...tree, ...links });
    expect(readTree(join(scene.cwd, 'sent'))).toEqual(tree);
  });

  test('what a link leads to stays while the link can not be copied', async ({ scene }) => {
    scene.writeHere(tree);
    symlinkSync('a.txt', scene.here('link'));
    symlinkSync('sub', scene.here('folder'));
    scene.writeThere({ 'link/y': '', folder: 'a file' });
    await scene.jobs({ operation: 'push', symlinks: 'follow', after: 'delete' });
    expect((await scene.run()).code).toBe(3);
    expect(readTree(scene.here())).toMatchObject(tree);

    rmSync(scene.there('link'), { recursive: true });
    rmSync(scene.there('folder'));
    const { code, report } = await scene.run();
    expect([code, report.files.copied]).toEqual([0, 2]);
    const links = { link: 'a', 'folder/b.txt': 'bb' };
    expect(readTree(scene.there())).toEqual({ ...tree, ...links });
    for (const path of Object.keys(tree)) expect(existsSync(scene.here(path))).toBe(false);
  });

  test('what a link leads to stays where it is out of scope itself', async ({ scene }) => {
    scene.writeHere({ 'kept/a.txt': 'a', 'kept/sub/b.txt': 'bb', 'c.txt': 'c' });
    symlinkSync('kept/a.txt', scene.here('link'));
    symlinkSync('kept/sub', scene.here('folder'));
    const exclude = ['/kept/'];
    await scene.jobs({ operation: 'push', symlinks: 'follow', after: 'delete', exclude });
    expect((await scene.run()).code).toBe(0);
    expect(readTree(scene.there())).toEqual({ link: 'a', 'folder/b.txt': 'bb', 'c.txt': 'c' });
    expect(readTree(scene.here())).toMatchObject({ 'kept/a.txt': 'a', 'kept/sub/b.txt': 'bb' });
    expect(existsSync(scene.here('c.txt'))).toBe(false);
  });

  test('archive on the same side; a taken name gets .1, then .2', async ({ scene }) => {
    await scene.jobs({ operation: 'push', after: { archive: './sent' } });
    for (const content of ['one', 'two', 'three']) {
      scene.writeHere({ 'a.txt': content, 'sub/b.txt': content });
      expect((await scene.run()).code).toBe(0);
    }
    expect(readTree(join(scene.cwd, 'sent'))).toEqual({
      'a.txt': 'one',
      'a.txt.1': 'two',
      'a.txt.2': 'three',
      'sub/b.txt': 'one',
      'sub/b.txt.1': 'two',
      'sub/b.txt.2': 'three',
    });
    expect(readTree(scene.there())).toEqual({ 'a.txt': 'three', 'sub/b.txt': 'three' });
    expect(readTree(scene.here())).toEqual({ 'sub/': null });
  });

  test('archive on another file system: copied, verified, then removed', async ({ scene }) => {
    const far = await mkdtemp('/dev/shm/ferryline-test-');
    try {
      scene.writeHere(tree, { mtime: 1_700_000_000 });
      await scene.jobs({ operation: 'push', after: { archive: join(far, 'sent') } });
      expect((await scene.run()).code).toBe(0);
      expect(readTree(join(far, 'sent'))).toEqual(tree);
      expect(mtimeOf(far, 'sent/sub/b.txt')).toBe(1_700_000_000);
      expect(readTree(scene.here())).toEqual({ 'sub/': null });
    } finally {
      await rm(far, { recursive: true });
    }
  });

  test('one file as `from` is archived too', async ({ scene }) => {
    scene.writeHere(tree);
    await scene.jobs({
      operation: 'push',
      from: './data/a.txt',
      after: { archive: './sent' },
    });
    expect((await scene.run()).code).toBe(0);
    expect(readTree(scene.there())).toEqual({ 'a.txt': 'a' });
    expect(readTree(join(scene.cwd, 'sent'))).toEqual({ 'a.txt': 'a' });
    expect(readTree(scene.here())).toEqual({ 'sub/b.txt': 'bb' });
  });
});

describe('pull', () => {
  const jobs = (sshd: Sshd, scene: Scene, after: unknown) =>
    writeJobs(scene.cwd, {
      remotes: { archive: remoteIn(sshd), second: remoteIn(sshd, { port: 1 }) },
      jobs: {
        job: {
          operation: 'pull',
          from: `archive:${scene.place}/out`,
          to: './data',
          after,
        },
      },
    });
  const prepare = (scene: Scene) => {
    // a file read in the second of its mtime is left to a later run
    scene.writeThere({ 'out/a.txt': 'a', 'out/sub/b.txt': 'bb' }, { mtime: 1_700_000_000 });
    giveTo(serverAccount(), scene.there());
  };

  test('delete on the server', async ({ sshd, scene }) => {
    prepare(scene);
    await jobs(sshd, scene, 'delete');
    expect((await scene.run()).code).toBe(0);
    expect(readTree(scene.here())).toEqual(tree);
    expect(readTree(scene.there())).toEqual({ 'out/sub/': null });
  });

  test('archive on the same server, over the same login', async ({ sshd, scene }) => {
    prepare(scene);
    await jobs(sshd, scene, { archive: `archive:${scene.place}/done` });
    const first = await scene.run();
    expect(first).toMatchObject({ code: 0, report: { sessions: 1 } });
    scene.writeThere({ 'out/a.txt': 'again' }, { mtime: 1_700_000_001 });
    expect((await scene.run()).code).toBe(0);
    expect(readTree(scene.there())).toEqual({
      'done/a.txt': 'a',
      'done/a.txt.1': 'again',
      'done/sub/b.txt': 'bb',
      'out/sub/': null,
    });
    expect(readTree(scene.here())).toEqual({ ...tree, 'a.txt': 'again' });
  });

  test.for(['second:done', './sent'])(
    'an archive on another side, %s, is refused: 2',
    async (at, { sshd, scene }) => {
      prepare(scene);
      await jobs(sshd, scene, { archive: at });
      expect((await scene.cli(['run', 'job'])).code).toBe(2);
      expect(readTree(scene.there())).toEqual({ 'out/a.txt': 'a', 'out/sub/b.txt': 'bb' });
    },
  );
});

test('a mirror refuses it: 2', async ({ scene }) => {
  scene.writeHere(tree);
  await scene.jobs({ after: 'delete' });
  expect((await scene.cli(['run', 'job'])).code).toBe(2);
  expect(readTree(scene.here())).toEqual(tree);
});
