/** `renames: follow`: what was renamed at the source is renamed at the destination, and nothing gets another file's bytes. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test as plain } from 'vitest';
import { test } from '../kit/base.js';
import { type JsonEvent, startFerryline } from '../kit/daemons/cli.js';
import { readTree, sameTree, type Tree } from '../kit/files/tree.js';
import type { Scene } from '../kit/scene.js';
import type { RealServer } from '../kit/servers/real-server.js';
import { openTrashScene, trashServers } from '../kit/servers/trash-servers.js';

const past = 1_600_000_000;
const follow = { renames: 'follow' };
const bin = '.ferryline/trash';

/** Moves a file at the source, and makes the folder for it. */
function move(scene: Pick<Scene, 'here'>, from: string, to: string): void {
  mkdirSync(dirname(scene.here(to)), { recursive: true });
  renameSync(scene.here(from), scene.here(to));
}

/** Names that say nothing of their order, all of one size and one mtime. */
const alike = (n: number): Tree =>
  Object.fromEntries(Array.from({ length: n }, (_, i) => [`f${i}`, `text ${i % 10}`]));

/** Runs the job, writes files, and runs it with them. */
async function copied(scene: Scene, tree: Tree, job: object = {}): Promise<void> {
  await scene.jobs({ ...follow, ...job });
  scene.writeHere(tree, { mtime: past });
  const { code, stderr } = await scene.run();
  expect(code, stderr).toBe(0);
}

describe('a mirror', () => {
  test('moves files to other folders, sends nothing, and removes the old folders', async ({
    scene,
  }) => {
    await copied(scene, { 'old/a': 'one', 'old/deep/b': 'two', c: 'three', stays: 'x' });
    const inode = statSync(scene.there('old/a')).ino;
    move(scene, 'old/a', 'new/far/a');
    move(scene, 'old/deep/b', 'b');
    rmSync(scene.here('old'), { recursive: true });
    const { code, report, events } = await scene.run();
    expect(code).toBe(0);
    expect(report).toMatchObject({
      bytes: 0,
      files: { renamed: 2, copied: 0, deleted: 0, unchanged: 2, failed: 0 },
    });
    expect(events).toContainEqual(
      expect.objectContaining({
        event: 'file',
        action: 'rename',
        from: 'old/a',
        path: 'new/far/a',
      }),
    );
    expect(sameTree(scene.here(), scene.there())).toBe(true);
    expect(statSync(scene.there('new/far/a')).ino).toBe(inode);
    // and once more, to where the record has to have followed
    move(scene, 'new/far/a', 'a');
    expect((await scene.run()).report.files).toMatchObject({ renamed: 1, copied: 0 });
    expect((await scene.run()).report.files).toMatchObject({ renamed: 0, unchanged: 4 });
  });

  test('explain says from where a path is renamed, and by what', async ({ scene }) => {
    await copied(scene, { 'old/a': 'one', b: 'two', c: 'one' }, { compare: 'checksum' });
    move(scene, 'old/a', 'new/a');
    rmSync(scene.here('b'));
    scene.writeHere({ 'new/b': 'two' }, { mtime: past });
    const explain = async (path: string) =>
      (await scene.cli(['explain', 'job', path, '--json'])).events[0];
    expect(await explain('new/a')).toMatchObject({ verdict: 'renamed', at: 'old/a' });
    const { stdout } = await scene.cli(['explain', 'job', 'new/a']);
    expect(stdout).toContain(
      'which a run copied from this very file (device, inode, birth time, size and mtime); the next run compares their bytes first',
    );
    // the same size and mtime alone are no evidence
    expect(await explain('new/b')).toMatchObject({ verdict: 'copied' });
    expect(await explain('old/a')).toMatchObject({
      verdict: 'deleted',
      reason: expect.stringContaining('renamed'),
    });
    expect((await scene.run()).report.files).toMatchObject({ renamed: 1, copied: 1, deleted: 1 });
  });

  test('a rename is no deletion: delete.max 0 lets it pass, and the trash has nothing of it', async ({
    scene,
  }) => {
    const rules = { delete: { max: 0 }, trash: true };
    await copied(scene, { a: 'one', b: 'longer' }, rules);
    move(scene, 'a', 'd/a');
    const { code, report } = await scene.run();
    expect([code, report.files.renamed]).toEqual([0, 1]);
    expect(Object.keys(readTree(scene.there())).some((path) => path.startsWith(bin))).toBe(false);
    // the old content of `b` is lost by this one, so that the trash keeps it
    move(scene, 'd/a', 'b');
    const second = await scene.run();
    expect(second.report.files).toMatchObject({ renamed: 1, deleted: 0 });
    expect(readTree(scene.there(join(bin, second.report.run)))).toEqual({ b: 'longer' });
    expect(readFileSync(scene.there('b'), 'utf8')).toBe('one');
  });

  test('first contact refuses renames, too', async ({ scene }) => {
    await copied(scene, { a: 'one', b: 'two' });
    rmSync(scene.there('.ferryline'), { recursive: true });
    move(scene, 'a', 'c');
    const { code, report } = await scene.run();
    expect(code).toBe(7);
    expect(report.error.message).toContain('the plan renames 1 of 2 files there');
    expect(readTree(scene.there())).toEqual({ a: 'one', b: 'two' });
  });

  test('the plan shows it, a sealed plan carries it out', async ({ scene }) => {
    await copied(scene, { a: 'one', b: 'two' });
    move(scene, 'a', 'd/a');
    const { stdout, stderr } = await scene.cli(['plan', 'job']);
    expect(stdout).toContain('rename    d/a  (was a)');
    expect(stderr).toContain('1 folder to make, 1 file to rename');
    const file = join(scene.cwd, 'plan.json');
    await scene.cli(['plan', 'job', '--out', file]);
    expect(JSON.parse(readFileSync(file, 'utf8'))).toMatchObject({
      renames: [{ path: 'd/a', at: 'a' }],
      copies: [],
      deletes: [],
    });
    expect((await scene.cli(['apply', file])).code).toBe(0);
    expect(readTree(scene.there())).toMatchObject({ 'd/a': 'one', b: 'two' });
  });

  test('gives a file the mode that a copy would have', async ({ scene }) => {
    await copied(scene, { a: 'one', b: 'two' }, { modes: 'source' });
    move(scene, 'a', 'c');
    chmodSync(scene.here('c'), 0o600);
    expect((await scene.run()).report.files).toMatchObject({ renamed: 1, copied: 0 });
    expect(statSync(scene.there('c')).mode & 0o777).toBe(0o600);
  });

  test('sends what the server refuses to rename, and deletes the old name in the next run', async ({
    scene,
  }) => {
    await copied(scene, { 'old/a': 'one', 'old/b': 'two' });
    move(scene, 'old/a', 'new/a');
    // nothing in it can be renamed or removed
    execFileSync('chattr', ['+a', scene.there('old')]);
    try {
      const { code, report } = await scene.run();
      expect([code, report.files]).toEqual([
        0,
        expect.objectContaining({ renamed: 0, copied: 1, deleted: 0, failed: 0 }),
      ]);
    } finally {
      execFileSync('chattr', ['-a', scene.there('old')]);
    }
    expect((await scene.run()).report.files).toMatchObject({ copied: 0, deleted: 1 });
    expect(sameTree(scene.here(), scene.there())).toBe(true);
  });

  test('keeps in the trash what somebody puts under a name while its file has moved on', async ({
    scene,
  }) => {
    await copied(scene, { 'app.log': 'old', b: 'two' }, { trash: true });
    move(scene, 'app.log', 'app.log.1');
    const big = 'x'.repeat(6_000_000);
    scene.writeHere({ 'app.log': big }, { mtime: past + 9 });
    const args = ['run', 'job', '--json', '--bandwidth', '3MiB/s'];
    const live = startFerryline(args, { cwd: scene.cwd });
    await live.said(/"action":"rename"/);
    writeFileSync(scene.there('new'), 'of a user');
    renameSync(scene.there('new'), scene.there('app.log'));
    const { code, events } = await live.ended;
    expect(code).toBe(0);
    const { run } = events.at(-1) as JsonEvent;
    expect(readTree(scene.there(join(bin, run)))).toEqual({ 'app.log': 'of a user' });
    expect(readFileSync(scene.there('app.log.1'), 'utf8')).toBe('old');
    expect(readFileSync(scene.there('app.log'), 'utf8')).toBe(big);
  });

  test('what a conflict keeps from being deleted is not moved away either', async ({ scene }) => {
    await copied(scene, { a: 'one', b: 'two' });
    move(scene, 'a', 'c');
    scene.writeHere({ 'same/x': 'x', odd: 'odd' });
    scene.writeThere({ odd: { link: 'b' } });
    const { code, report } = await scene.run();
    expect([code, report.files]).toEqual([
      3,
      expect.objectContaining({ renamed: 0, copied: 2, deleted: 0 }),
    ]);
    expect(readTree(scene.there())).toMatchObject({ a: 'one', c: 'one' });
  });
});

describe('what only looks like a rename', () => {
  test('files of one size and mtime that were made anew are sent', async ({ scene }) => {
    await copied(scene, alike(30));
    rmSync(scene.here(), { recursive: true });
    const moved = Object.values(alike(30)).map((text, i) => [`g${(i + 7) % 30}`, text]);
    scene.writeHere(Object.fromEntries(moved), { mtime: past });
    const { report } = await scene.run('--delete-max', '100%');
    expect(report.files).toMatchObject({ renamed: 0, copied: 30, deleted: 30 });
    expect(sameTree(scene.here(), scene.there())).toBe(true);
  });

  test('one that was written to after it was copied is sent', async ({ scene }) => {
    await copied(scene, { a: 'one', b: 'two' });
    scene.writeHere({ a: 'new' }, { mtime: past + 1 });
    move(scene, 'a', 'c');
    expect((await scene.run()).report.files).toMatchObject({ renamed: 0, copied: 1, deleted: 1 });
    expect(readTree(scene.there())).toMatchObject({ c: 'new', b: 'two' });
  });

  test('one whose copy was changed there is sent', async ({ scene }) => {
    await copied(scene, { a: 'one', b: 'two' });
    scene.writeThere({ a: 'another' }, { mtime: past });
    move(scene, 'a', 'c');
    expect((await scene.run()).report.files).toMatchObject({ renamed: 0, copied: 1, deleted: 1 });
    expect(readTree(scene.there())).toMatchObject({ c: 'one', b: 'two' });
  });

  test('one that was written to in place and got its mtime back is sent under compare: checksum', async ({
    scene,
  }) => {
    await copied(scene, { a: 'one', b: 'two' }, { compare: 'checksum' });
    scene.writeHere({ a: 'six' }, { mtime: past });
    move(scene, 'a', 'c');
    expect((await scene.run()).report.files).toMatchObject({ renamed: 0, copied: 1, deleted: 1 });
    expect(readTree(scene.there())).toMatchObject({ c: 'six', b: 'two' });
  });

  test('files of two file systems that are alike in all but the device', async ({ scene }) => {
    await copied(scene, { b: 'two', c: 'three' }, { delete: { max: '100%' } });
    for (const disk of ['m1', 'm2']) mkdirSync(scene.here(disk));
    const holder = spawn(
      'unshare',
      ['-m', 'sh', '-c', 'for m in m1 m2; do mount -t tmpfs none $m; done; echo; exec sleep 600'],
      { cwd: scene.here(), stdio: ['ignore', 'pipe', 'inherit'] },
    );
    onTestFinished(() => void holder.kill('SIGKILL'));
    await once(holder.stdout, 'data');
    const wrap = ['nsenter', '-t', `${holder.pid}`, '-m', `--wd=${scene.cwd}`, '--'];
    const inside = (code: string) =>
      execFileSync(wrap[0] as string, [
        ...wrap.slice(1),
        process.execPath,
        '-e',
        code,
        scene.here(),
      ]);
    inside(`
      const fs = require('node:fs');
      for (let isDone = false; !isDone; ) {
        const files = ['m1/a', 'm2/b'].map((name) => process.argv[1] + '/' + name);
        const fds = files.map((file) => fs.openSync(file, 'w'));
        fds.forEach((fd, i) => fs.writeSync(fd, i ? 'BBBB' : 'AAAA'));
        fds.forEach((fd) => (fs.futimesSync(fd, ${past}, ${past}), fs.closeSync(fd)));
        const [one, other] = files.map((file) => fs.statSync(file));
        isDone = one.ino === other.ino && one.birthtimeMs === other.birthtimeMs;
        if (!isDone) files.forEach((file) => fs.unlinkSync(file));
      }`);
    const run = async () => {
      const { events } = await scene.cli(['run', 'job', '--json'], { wrap });
      return events.at(-1)?.files;
    };
    expect(await run()).toMatchObject({ copied: 2, failed: 0 });
    inside(`
      const fs = require('node:fs');
      process.chdir(process.argv[1]);
      fs.unlinkSync('m1/a');
      fs.renameSync('m2/b', 'm2/c');`);
    expect(await run()).toMatchObject({ copied: 1, renamed: 0, deleted: 2 });
    expect(readFileSync(scene.there('m2/c'), 'utf8')).toBe('BBBB');
  });

  /** Copies three files to `a`, one after another: the last has the size and mtime of the first, which is kept in `spare`. */
  async function replacedTwice(scene: Scene, job: object, between = {}) {
    const rules = { exclude: ['spare'], trash: true, delete: { max: '100%' } };
    await copied(scene, { a: 'one', b: 'two' }, { ...rules, ...job });
    await scene.jobs({ ...rules, ...job, ...between });
    move(scene, 'a', 'spare');
    scene.writeHere({ a: 'for a while' }, { mtime: past + 5 });
    const { report } = await scene.run();
    renameSync(scene.here('a'), join(scene.cwd, 'gone'));
    scene.writeHere({ a: 'six' }, { mtime: past });
    await scene.run();
    await scene.jobs({ ...rules, ...job, ...follow });
    return report.run;
  }

  test('after a run without the key, what was copied before proves nothing', async ({ scene }) => {
    await replacedTwice(scene, follow, { renames: false });
    rmSync(scene.here('a'));
    move(scene, 'spare', 'c');
    expect((await scene.run()).report.files).toMatchObject({ renamed: 0, copied: 1, deleted: 1 });
    expect(readTree(scene.there())).toMatchObject({ c: 'one', b: 'two' });
  });

  test('what a restore has brought back is not what was copied there', async ({ scene }) => {
    const run = await replacedTwice(scene, follow);
    rmSync(scene.there('a'));
    const { code } = await scene.cli(['restore', 'job', 'a', '--run', run]);
    expect([code, readFileSync(scene.there('a'), 'utf8')]).toEqual([0, 'one']);
    move(scene, 'a', 'c');
    expect((await scene.run()).report.files).toMatchObject({ renamed: 0, copied: 1, deleted: 1 });
    expect(readTree(scene.there())).toMatchObject({ c: 'six', b: 'two' });
  });
});

const servers = [
  'OpenSSH',
  'OpenSSH without posix-rename',
  'OpenSSH without posix-rename and hard links',
  'ProFTPD',
  'rclone serve sftp',
];

for (const name of servers)
  describe(name, () => {
    let server: RealServer;
    beforeAll(async () => {
      server = await (trashServers[name] as () => Promise<RealServer>)();
    });
    afterAll(() => server?.stop());

    plain(
      'ten logs are rotated, two files swapped, three moved round, and old ones kept',
      async () => {
        const rules = {
          operation: 'mirror',
          ...follow,
          compare: 'checksum',
          delete: { max: '100%' },
        };
        const scene = await openTrashScene(server, rules);
        const logs = Object.fromEntries(
          Array.from({ length: 10 }, (_, i) => [i === 0 ? 'app.log' : `app.log.${i}`, `log ${i}`]),
        );
        scene.writeHere(
          { ...logs, a: 'A bytes', b: 'B bytes', 'r/1': 'one', 'r/2': 'two', 'r/3': 'tri', x: 'x' },
          { mtime: past },
        );
        expect((await scene.run()).code).toBe(0);
        rmSync(scene.here('app.log.9'));
        for (let i = 8; i >= 0; i--)
          move(scene, i === 0 ? 'app.log' : `app.log.${i}`, `app.log.${i + 1}`);
        scene.writeHere({ 'app.log': 'log x' }, { mtime: past });
        move(scene, 'x', 'far/x');
        move(scene, 'a', 'spare');
        move(scene, 'b', 'a');
        move(scene, 'spare', 'b');
        move(scene, 'r/3', 'spare');
        move(scene, 'r/2', 'r/3');
        move(scene, 'r/1', 'r/2');
        move(scene, 'spare', 'r/1');
        const { code, report, stderr } = await scene.run();
        expect(code, stderr).toBe(0);
        // a file keeps its name until another one takes it, which needs a second name for it
        const follows = name === 'OpenSSH' || name === 'ProFTPD' ? 14 : 0;
        expect([name, report.files]).toEqual([
          name,
          expect.objectContaining({ renamed: 1 + follows, copied: 15 - follows, deleted: 0 }),
        ]);
        const there = readTree(scene.there());
        const kept = join(bin, report.run);
        expect(
          Object.fromEntries(Object.entries(there).filter(([path]) => !path.startsWith('.'))),
        ).toEqual(readTree(scene.here()));
        // what goes on under another name is not lost: the trash has none of it, but one of each circle
        if (follows > 0)
          expect(Object.keys(readTree(scene.there(kept)))).toEqual(['a', 'app.log.9', 'r/1']);
        expect((await scene.run()).report.files).toMatchObject({
          renamed: 0,
          copied: 0,
          deleted: 0,
        });
      },
    );
  });

test('a push follows what it would overwrite: rotated logs', async ({ scene }) => {
  await copied(scene, { 'app.log': 'first', 'app.log.1': 'an older' }, { operation: 'push' });
  move(scene, 'app.log.1', 'app.log.2');
  move(scene, 'app.log', 'app.log.1');
  scene.writeHere({ 'app.log': 'the second' }, { mtime: past });
  const { report } = await scene.run();
  expect(report.files).toMatchObject({ renamed: 2, copied: 1, failed: 0 });
  expect(sameTree(scene.here(), scene.there())).toBe(true);
});

test.for([
  [{ operation: 'pull', from: 'archive:x', to: './data' }, 'needs a local "from"'],
  [{ operation: 'push', after: 'delete' }, `can't be used with "after"`],
  [{ existing: 'skip' }, `can't be used with existing: skip`],
] as const)('refused: %o', async ([job, message], { scene }) => {
  await scene.jobs({ ...follow, ...job });
  const { code, stderr } = await scene.cli(['validate']);
  expect([code, stderr]).toEqual([2, expect.stringContaining(message)]);
});
