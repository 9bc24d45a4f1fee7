/** push, pull and mirror in every direction: first run, nothing to do, a change, a deletion. */
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { giveTo, serverAccount } from '../kit/account.js';
import { test as base, forFile, started } from '../kit/base.js';
import { writeJobs } from '../kit/daemons/cli.js';
import { mtimeOf, readTree, sameTree, writeTree } from '../kit/files/tree.js';
import { remoteIn, type Scene } from '../kit/scene.js';
import { type Sshd, startSshd } from '../kit/servers/sshd.js';

const test = base.extend(
  'other',
  forFile,
  started(() => startSshd()),
);

const tree = { 'a.txt': 'a', 'b/c.txt': 'c', 'b/deep/d.bin': Buffer.alloc(300_000, 7), empty: '' };

interface Direction {
  readonly operation: 'push' | 'pull' | 'mirror';
  /** The two folders, and how a job names them. */
  readonly sides: (at: Where) => { from: string; to: string; source: string; target: string };
  readonly sessions: number;
}

/** The scene and both servers of a test. */
interface Where {
  readonly scene: Scene;
  readonly sshd: Sshd;
  readonly other: Sshd;
}

const local = ({ scene }: Where, name: string) => ({
  named: `./${name}`,
  folder: join(scene.cwd, name),
});
const remote = ({ scene, sshd, other }: Where, name: string, path: string) => ({
  named: `${name}:${scene.place}/${path}`,
  folder: join((name === 'archive' ? sshd : other).root, scene.place, path),
});
type Place = ReturnType<typeof local>;
const between = (from: Place, to: Place) => ({
  from: from.named,
  to: to.named,
  source: from.folder,
  target: to.folder,
});

const directions: Readonly<Record<string, Direction>> = {
  push: {
    operation: 'push',
    sides: (at) => between(local(at, 'data'), remote(at, 'archive', 'in')),
    sessions: 1,
  },
  pull: {
    operation: 'pull',
    sides: (at) => between(remote(at, 'archive', 'out'), local(at, 'data')),
    sessions: 1,
  },
  'mirror local to remote': {
    operation: 'mirror',
    sides: (at) => between(local(at, 'data'), remote(at, 'archive', 'in')),
    sessions: 1,
  },
  'mirror remote to local': {
    operation: 'mirror',
    sides: (at) => between(remote(at, 'archive', 'out'), local(at, 'data')),
    sessions: 1,
  },
  'mirror on one server': {
    operation: 'mirror',
    sides: (at) => between(remote(at, 'archive', 'out'), remote(at, 'archive', 'in')),
    sessions: 1,
  },
  'mirror from server to server': {
    operation: 'mirror',
    sides: (at) => between(remote(at, 'archive', 'out'), remote(at, 'second', 'in')),
    sessions: 2,
  },
  'push from server to server': {
    operation: 'push',
    sides: (at) => between(remote(at, 'archive', 'out'), remote(at, 'second', 'in')),
    sessions: 2,
  },
  'pull on one server': {
    operation: 'pull',
    sides: (at) => between(remote(at, 'archive', 'out'), remote(at, 'archive', 'in')),
    sessions: 1,
  },
};

async function prepare(at: Where, { operation, sides }: Direction) {
  const { scene, sshd, other } = at;
  const { from, to, source, target } = sides(at);
  await writeJobs(scene.cwd, {
    remotes: { archive: remoteIn(sshd), second: remoteIn(other) },
    jobs: { job: { operation, from, to } },
  });
  scene.writeThere({});
  writeTree(source, tree, { mtime: 1_700_000_000 });
  return { source, target };
}

describe.each(Object.entries(directions))('%s', (_name, direction) => {
  test('brings everything over, then has nothing to do, then carries over a change and a deletion', async ({
    sshd,
    scene,
    other,
  }) => {
    const { source, target } = await prepare({ scene, sshd, other }, direction);
    const mirror = direction.operation === 'mirror';
    const first = await scene.run();
    expect(first).toMatchObject({ code: 0, report: { outcome: 'succeeded', exitCode: 0 } });
    expect(first.report).toMatchObject({
      operation: direction.operation,
      files: { copied: 4, attrs: 0, deleted: 0, unchanged: 0, skipped: 0, failed: 0 },
      bytes: 300_002,
      sessions: direction.sessions,
      verified: 'size',
      failures: [],
    });
    expect(sameTree(source, target)).toBe(true);
    expect(mtimeOf(target, 'a.txt')).toBe(1_700_000_000);

    const second = await scene.run();
    expect(second.code).toBe(0);
    expect(second.events.map(({ event }) => event)).toEqual(['plan', 'run']);
    expect(second.report).toMatchObject({ files: { copied: 0, unchanged: 4 }, bytes: 0 });

    writeFileSync(join(source, 'a.txt'), 'changed');
    const third = await scene.run();
    expect(third.report).toMatchObject({ files: { copied: 1, unchanged: 3 }, bytes: 7 });
    expect(sameTree(source, target)).toBe(true);

    rmSync(join(source, 'b'), { recursive: true });
    const fourth = await scene.run();
    expect(fourth.code).toBe(0);
    expect(fourth.report.files).toMatchObject({ copied: 0, deleted: mirror ? 2 : 0 });
    expect(Object.keys(readTree(target))).toEqual(
      mirror ? ['a.txt', 'empty'] : ['a.txt', 'b/c.txt', 'b/deep/d.bin', 'empty'],
    );
  });
});

describe('folders', () => {
  test('a mirror makes and removes empty ones; a push makes none', async ({ scene }) => {
    scene.writeHere({ 'a.txt': 'a', 'empty/inner/': null });
    await scene.run();
    expect(readTree(scene.there())).toEqual({ 'a.txt': 'a', 'empty/inner/': null });
    rmSync(scene.here('empty'), { recursive: true });
    const { report } = await scene.run();
    expect(report.files.deleted).toBe(0); // folders are not counted
    expect(readTree(scene.there())).toEqual({ 'a.txt': 'a' });

    scene.writeHere({ 'empty/inner/': null });
    await scene.jobs({ operation: 'push' });
    expect((await scene.run()).report.outcome).toBe('succeeded');
    expect(readTree(scene.there())).toEqual({ 'a.txt': 'a' });
  });

  test('missing folders of `to` are made', async ({ scene }) => {
    scene.writeHere({ 'a.txt': 'a' });
    await scene.jobs({ to: `archive:${scene.place}/one/two/three` });
    expect((await scene.run()).code).toBe(0);
    expect(readTree(scene.there('one/two/three'))).toEqual({ 'a.txt': 'a' });
  });

  test("a remote's root is not made: 2, and nothing is", async ({ sshd, scene }) => {
    scene.writeHere({ 'a.txt': 'a' });
    await scene.jobs({ to: 'archive:x' }, { root: `${sshd.root}/not-there` });
    const { code, report } = await scene.run();
    expect(code).toBe(2);
    expect(report.error).toMatchObject({ kind: 'config' });
    expect(report.error.message).toContain('not-there');
    expect(Object.keys(readTree(sshd.root)).filter((path) => path.includes('not-there'))).toEqual(
      [],
    );
  });

  test('the parent of a local `to` is not made: 2', async ({ scene }) => {
    scene.writeThere({ 'a.txt': 'a' });
    await scene.jobs({ operation: 'pull', from: `archive:${scene.place}`, to: './no/such/place' });
    const { code, report } = await scene.run();
    expect(code).toBe(2);
    expect(report.error.kind).toBe('config');
    expect(report.error.message).toContain('no/such');
  });

  test('a destination that is a file: 2', async ({ scene }) => {
    scene.writeHere({ 'a.txt': 'a' });
    scene.writeThere({ file: 'x' });
    await scene.jobs({ to: `archive:${scene.place}/file` });
    expect(await scene.run()).toMatchObject({ code: 2, report: { error: { kind: 'config' } } });
    expect(readTree(scene.there())).toEqual({ file: 'x' });
  });

  test('sides that lie in each other: 2', async ({ scene }) => {
    scene.writeThere({ 'a.txt': 'a' });
    await scene.jobs({ from: `archive:${scene.place}`, to: `archive:${scene.place}/inner` });
    expect((await scene.cli(['run', 'job'])).code).toBe(2);
    expect(readTree(scene.there())).toEqual({ 'a.txt': 'a' });
  });
});

describe('`from` is one file', () => {
  test.for(['push', 'mirror'])('%s brings only it into `to`', async (operation, { scene }) => {
    scene.writeHere({ 'one.txt': '1', 'two.txt': '2' });
    scene.writeThere({ 'old.txt': 'old' });
    await scene.jobs({ operation, from: './data/one.txt' });
    const { code, report } = await scene.run();
    expect({ code, files: report.files }).toMatchObject({
      code: 0,
      files: { copied: 1, deleted: 0 },
    });
    expect(readTree(scene.there())).toEqual({ 'old.txt': 'old', 'one.txt': '1' });
    expect((await scene.run()).report.files).toMatchObject({ copied: 0, unchanged: 1 });
  });

  test('pull too', async ({ scene }) => {
    scene.writeThere({ 'one.txt': '1', 'two.txt': '2' });
    await scene.jobs({
      operation: 'pull',
      from: `archive:${scene.place}/one.txt`,
      to: './data',
    });
    expect((await scene.run()).code).toBe(0);
    expect(readTree(scene.here())).toEqual({ 'one.txt': '1' });
  });
});

describe('something of another kind in the way', () => {
  test('a mirror replaces a folder by a file and a file by a folder, last, counted as deletions', async ({
    scene,
  }) => {
    scene.writeHere({ 'was-folder': 'file', 'was-file/x': 'x', 'keep-1': '', 'keep-2': '' });
    scene.writeThere({ 'was-folder/a': 'a', 'was-file': 'old', 'keep-1': '', 'keep-2': '' });
    scene.mirrored();
    const { code, report } = await scene.run();
    expect(code).toBe(0);
    expect(report.files).toMatchObject({ deleted: 2, failed: 0 });
    expect(sameTree(scene.here(), scene.there())).toBe(true);
  });

  test('the guard counts them', async ({ scene }) => {
    scene.writeHere({ x: 'file' });
    scene.writeThere({ 'x/a': 'a', 'x/b': 'b' });
    scene.mirrored();
    expect((await scene.run()).code).toBe(7);
    expect(readTree(scene.there())).toEqual({ 'x/a': 'a', 'x/b': 'b' });
  });

  test('the old goes to the trash where there is one', async ({ scene }) => {
    scene.writeHere({ x: 'file' });
    scene.writeThere({ 'x/a': 'a' });
    scene.mirrored();
    await scene.jobs({ delete: '100%', trash: true });
    const { code, report } = await scene.run();
    expect(code).toBe(0);
    expect(readTree(scene.there())).toEqual({ x: 'file' });
    expect(readTree(scene.there('.ferryline/trash'))).toEqual({ [`${report.run}/x/a`]: 'a' });
  });

  test('a push takes it for a conflict: 3, and does the rest', async ({ scene }) => {
    scene.writeHere({ x: 'file', 'y/z': 'z', other: 'o' });
    scene.writeThere({ 'x/a': 'a', y: 'file' });
    await scene.jobs({ operation: 'push' });
    const { code, report } = await scene.run();
    expect(code).toBe(3);
    expect(
      report.failures.map(({ path, kind }: { path: string; kind: string }) => [path, kind]),
    ).toEqual([
      ['x', 'conflict'],
      ['y', 'conflict'],
    ]);
    expect(readTree(scene.there())).toEqual({ 'x/a': 'a', y: 'file', other: 'o' });
  });

  test('entries out of scope in the way make it a conflict, which withholds all deletions', async ({
    scene,
  }) => {
    scene.writeHere({ x: 'file', more: 'm' });
    scene.writeThere({ 'x/a.keep': 'a', gone: 'g', more: 'm' });
    scene.mirrored();
    giveTo(serverAccount(), scene.there());
    await scene.jobs({ exclude: ['*.keep'] });
    const { code, report, stderr } = await scene.run();
    expect(code).toBe(3);
    expect(report.failures).toMatchObject([{ path: 'x', kind: 'conflict' }]);
    expect(report.files.deleted).toBe(0);
    expect(stderr).toContain('nothing was deleted');
    expect(readTree(scene.there())).toEqual({ 'x/a.keep': 'a', gone: 'g', more: 'm' });
  });
});
