/** `ferryline restore`: lists the trash and brings files back, on every kind of server. */
import { readdirSync, renameSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test as plain } from 'vitest';
import { acquireJobLock } from '../../src/state/lock.js';
import { test } from '../kit/base.js';
import { temporaryFolder } from '../kit/files/temporary.js';
import { mtimeOf, randomBytes, readTree, writeTree } from '../kit/files/tree.js';
import type { Scene } from '../kit/scene.js';
import type { RealServer } from '../kit/servers/real-server.js';
import { openTrashScene, trashServers } from '../kit/servers/trash-servers.js';

const then = 1_600_000_000;
const bin = '.ferryline/trash';
const large = randomBytes(5_000_000, 1);
const old = { a: 'old a', 'sub/b.txt': large, 'sub/c.log': 'old c', gone: 'g' };

/** A mirror has replaced `a` and everything in `sub`, and deleted `gone`. Returns the run's id. */
async function lose(scene: Scene): Promise<string> {
  scene.writeThere(old, { mtime: then });
  scene.writeHere(
    { a: 'new a!', 'sub/b.txt': 'new b', 'sub/c.log': 'new c!' },
    { mtime: then + 9 },
  );
  const { code, report, stderr } = await scene.run('--max-delete', '100%');
  expect(code, stderr).toBe(0);
  return report.run;
}

for (const [name, start] of Object.entries(trashServers))
  describe(name, () => {
    let server: RealServer;
    beforeAll(async () => {
      server = await start();
    });
    afterAll(() => server?.stop());

    plain(
      'a deleted file and a replaced folder are back, as they were; what they replace is kept',
      // four commands, each of which logs in
      { timeout: 60_000 },
      async () => {
        const scene = await openTrashScene(server, {});
        const run = await lose(scene);
        const one = await scene.cli(['restore', 'job', 'gone']);
        expect(one.code, one.stderr).toBe(0);
        expect(one.stderr).toContain('1 file restored');
        const refused = await scene.cli(['restore', 'job', 'sub']);
        expect(refused.code).toBe(3);
        expect(refused.stderr).toContain('--force');
        const folder = await scene.cli(['restore', 'job', 'sub', '--force']);
        expect(folder.code, folder.stderr).toBe(0);
        const wanted = await temporaryFolder();
        writeTree(wanted, { ...old, a: 'new a!' });
        expect(readTree(scene.there())).toEqual(readTree(wanted));
        expect(mtimeOf(scene.there(), 'sub/b.txt')).toBe(then);
        const folders = readdirSync(scene.there(bin)).sort();
        expect(folders).toHaveLength(2);
        expect(folders[0]).toBe(run);
        expect(readTree(scene.there(`${bin}/${folders[1]}`))).toEqual({
          'sub/b.txt': 'new b',
          'sub/c.log': 'new c!',
        });
        // the trash keeps what was brought back
        expect(Object.keys(readTree(scene.there(`${bin}/${run}`))).sort()).toEqual(
          Object.keys(old).sort(),
        );
      },
    );

    plain('--to a local folder', async () => {
      const scene = await openTrashScene(server, {});
      await lose(scene);
      const { code, stderr } = await scene.cli(['restore', 'job', '/', '--to', 'back']);
      expect(code, stderr).toBe(0);
      const wanted = await temporaryFolder();
      writeTree(wanted, old);
      expect(readTree(join(scene.cwd, 'back'), { ours: true })).toEqual(readTree(wanted));
      expect(mtimeOf(join(scene.cwd, 'back'), 'gone')).toBe(then);
      expect(readTree(scene.there())).toMatchObject({ a: 'new a!' });
    });
  });

test('while the job runs: 8, and nothing is changed', async ({ scene }) => {
  await scene.jobs({ trash: true });
  await lose(scene);
  const before = readTree(scene.there());
  const lock = await acquireJobLock(join(scene.cwd, '.state'), 'job');
  const { code, stderr } = await scene.cli(['restore', 'job', 'gone']);
  await lock.release();
  expect(code).toBe(8);
  expect(stderr).toContain('job job runs already');
  expect(readTree(scene.there())).toEqual(before);
  expect((await scene.cli(['restore', 'job', 'gone'])).code).toBe(0);
});

test('without PATH it lists, the newest run first; --json and --run', async ({ scene }) => {
  await scene.jobs({ trash: true });
  const empty = await scene.cli(['restore', 'job']);
  expect([empty.code, empty.stdout]).toEqual([0, '']);
  expect(empty.stderr).toContain('is empty');
  const run = await lose(scene);
  const ago = run.replace(/^\d{8}/, '20200101');
  writeTree(scene.there(bin), { [`${ago}/a`]: 'older', 'mine/x': 'no run' });
  const listed = await scene.cli(['restore', 'job', '--json']);
  expect(listed.events.map(({ event, run, path, size }) => [event, run, path, size])).toEqual([
    ['trash', run, 'a', 5],
    ['trash', run, 'gone', 1],
    ['trash', run, 'sub/b.txt', large.length],
    ['trash', run, 'sub/c.log', 5],
    ['trash', ago, 'a', 5],
  ]);
  expect(listed.events[4]).toMatchObject({ job: 'job', kind: 'file', at: /^2020-01-01T/ });
  const some = await scene.cli(['restore', 'job', '--run', ago.slice(0, 8)]);
  expect(
    some.stdout
      .trimEnd()
      .split('\n')
      .slice(1)
      .map((line) => line.split(/ {2,}/).at(-1)),
  ).toEqual(['a']);
  const other = await scene.cli(['restore', 'job', '--run', '1999']);
  expect([other.code, other.stderr]).toEqual([2, expect.stringContaining('nothing of run')]);
});

test('the newest version of a path, or that of --run; a pattern', async ({ scene }) => {
  await scene.jobs({ trash: true });
  const run = await lose(scene);
  const ago = run.replace(/^\d{8}/, '20200101');
  writeTree(scene.there(bin), { [`${ago}/gone`]: 'older' });
  const back = (...args: string[]) => scene.cli(['restore', 'job', '--force', ...args]);
  expect((await back('gone', '--run', ago)).code).toBe(0);
  expect(readTree(scene.there())).toMatchObject({ gone: 'older' });
  expect((await back('gone', '--run', run)).code).toBe(0);
  expect(readTree(scene.there())).toMatchObject({ gone: 'g' });
  // what the last one replaced is the newest now
  expect((await back('./gone')).code).toBe(0);
  expect(readTree(scene.there())).toMatchObject({ gone: 'older' });
  expect((await back('*.log')).code).toBe(0);
  expect(readTree(scene.there())).toMatchObject({ 'sub/c.log': 'old c', 'sub/b.txt': 'new b' });
});

test('a job whose destination is here, and a dry run', async ({ scene }) => {
  scene.writeThere({ a: 'new a!' }, { mtime: then + 9 });
  scene.writeHere({ a: 'old a' }, { mtime: then });
  await scene.jobs({
    ...{ operation: 'pull', from: `archive:${scene.place}`, to: './data', trash: true },
  });
  const { code: ran, report } = await scene.run();
  expect(ran).toBe(0);
  const dry = await scene.cli(['restore', 'job', 'a', '--force', '-n']);
  expect([dry.code, dry.stdout]).toEqual([0, expect.stringContaining('restore   a')]);
  expect(readTree(scene.here())).toEqual({ a: 'new a!' });
  const { code, events } = await scene.cli(['restore', 'job', 'a', '--force', '--json']);
  expect(code).toBe(0);
  expect(events.at(-1)).toMatchObject({ event: 'restore', restored: 1, failed: 0, exitCode: 0 });
  expect(readTree(scene.here())).toEqual({ a: 'old a' });
  expect(mtimeOf(scene.here(), 'a')).toBe(then);
  const again = await scene.cli(['restore', 'job', 'a', '--run', report.run]);
  expect([again.code, again.stderr]).toEqual([0, expect.stringContaining('1 there already')]);
});

test('a job with several targets: the list names them, and one is restored with --target', async ({
  scene,
}) => {
  const one = `archive:${scene.place}/one`;
  const two = `archive:${scene.place}/two`;
  await scene.jobs({ operation: 'push', to: [one, two], trash: true });
  scene.writeThere({ 'one/a': 'old one', 'two/a': 'old two' }, { mtime: then });
  scene.writeHere({ a: 'new' });
  expect((await scene.run()).code).toBe(0);
  const { events } = await scene.cli(['restore', 'job', '--json']);
  expect(events.map(({ target, path }) => [target, path])).toEqual([
    [one, 'a'],
    [two, 'a'],
  ]);
  const both = await scene.cli(['restore', 'job', 'a', '--force']);
  expect([both.code, both.stderr]).toEqual([2, expect.stringContaining(two)]);
  const wrong = await scene.cli(['restore', 'job', 'a', '--target', one.replace('one', 'oen')]);
  expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringContaining(`"${one}"`)]);
  expect((await scene.cli(['restore', 'job', 'a', '--force', '--target', two])).code).toBe(0);
  expect(readTree(scene.there())).toMatchObject({ 'one/a': 'new', 'two/a': 'old two' });
});

describe('nothing is restored', () => {
  test('of a path that is not there, and without a trash: 2', async ({ scene }) => {
    await scene.jobs({ trash: true });
    await lose(scene);
    const wrong = await scene.cli(['restore', 'job', 'gnoe', 'a']);
    expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringContaining('"gone"')]);
    const all = await scene.cli(['restore', 'job', '--force']);
    expect([all.code, all.stderr]).toEqual([2, expect.stringContaining('paths')]);
    const noJob = await scene.cli(['restore', 'jub']);
    expect([noJob.code, noJob.stderr]).toEqual([2, expect.stringContaining('"job"')]);
    await scene.jobs({ trash: false });
    const none = await scene.cli(['restore', 'job', 'a']);
    expect([none.code, none.stderr]).toEqual([2, expect.stringContaining('trash: true')]);
  });

  test('through a link at the destination, in a path or in the way: 3', async ({ scene }) => {
    await scene.jobs({ trash: true });
    await lose(scene);
    const elsewhere = scene.there('../elsewhere');
    writeTree(elsewhere, { 'b.txt': 'another' });
    renameSync(scene.there('sub'), scene.there('moved'));
    symlinkSync(elsewhere, scene.there('sub'));
    const { code, stderr } = await scene.cli(['restore', 'job', 'sub', '--force']);
    expect(code).toBe(3);
    expect(stderr).toContain('link');
    expect(readTree(elsewhere)).toEqual({ 'b.txt': 'another' });
  });

  test('where a folder is, and a link that leads out: 3; the rest is', async ({ scene }) => {
    await scene.jobs({ trash: true });
    const run = await lose(scene);
    scene.writeThere({ 'gone/inside': 'x' });
    symlinkSync('/etc/passwd', scene.there(`${bin}/${run}/out`));
    symlinkSync('a', scene.there(`${bin}/${run}/in`));
    const { code, events } = await scene.cli(['restore', 'job', '/', '--force', '--json']);
    expect(code).toBe(3);
    expect(
      events
        .at(-1)
        ?.failures.map(({ path }: { path: string }) => path)
        .sort(),
    ).toEqual(['gone', 'out']);
    expect(readTree(scene.there())).toMatchObject({
      'gone/inside': 'x',
      in: { link: 'a' },
      a: 'old a',
    });
  });
});
