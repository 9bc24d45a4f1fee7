/** Row 66 of docs/faults.md, through the built CLI: a root that can't be used, and a state folder that can't be. */
import { chmodSync, copyFileSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { giveTo, isRoot, serverAccount } from '../kit/account.js';
import { hostileTest, test } from '../kit/base.js';
import { readTree } from '../kit/files/tree.js';
import { type Scene, turn } from '../kit/scene.js';
import type { Sshd } from '../kit/servers/sshd.js';

/** As an ordinary user, for whom permissions mean something. */
function asUser(scene: Scene): readonly string[] {
  if (!isRoot) return [];
  const { uid, gid } = serverAccount();
  giveTo(serverAccount(), scene.cwd);
  return ['setpriv', `--reuid=${uid}`, `--regid=${gid}`, '--clear-groups'];
}

/** A job between `data` here and `x` below a root of its own; both hold a file. */
async function prepare(scene: Scene, sshd: Sshd, transport: string) {
  const own = (file: string, name: string) => {
    const to = join(scene.cwd, name);
    copyFileSync(file, to);
    chmodSync(to, 0o600);
    return to;
  };
  const root = join(sshd.root, scene.place);
  const files = {
    auth: { key: own(sshd.keyFile, 'key') },
    knownHosts: own(sshd.knownHostsFile, 'known_hosts'),
  };
  scene.writeHere({ a: 'a' });
  scene.writeThere({ 'x/b': 'b', file: 'file' });
  const remote = { ...files, transport, root };
  const jobs = (job: object) => scene.jobs({ operation: 'push', to: 'archive:x', ...job }, remote);
  const run = async () => {
    const { code, stderr } = await scene.cli(['run', 'job'], { wrap: asUser(scene) });
    return [code, stderr.replaceAll(root, 'ROOT')] as const;
  };
  const restore = () => {
    chmodSync(root, 0o755);
    chmodSync(join(root, 'x'), 0o755);
  };
  return { root, x: join(root, 'x'), jobs, run, restore };
}

const down = { operation: 'pull', from: 'archive:x', to: './data' };

describe('row 66: a root that can not be used', () => {
  test.for(['ssh2', 'openssh'])(
    'on the server, by %s: the message says which, where and what next',
    { timeout: 120_000 },
    async (transport, { scene, sshd }) => {
      const { root, x, jobs, run, restore } = await prepare(scene, sshd, transport);
      for (const job of [{}, down]) {
        await jobs(job);
        chmodSync(root, 0);
        const barred =
          "archive:x can't be looked at on 127.0.0.1: permission denied\n  next: check";
        expect(await run()).toEqual([3, expect.stringContaining(barred)]);
        chmodSync(root, 0o755);
        for (const mode of transport === 'ssh2' ? [0, 0o311] : [0]) {
          chmodSync(x, mode);
          const unread = "archive:x: the folder can't be listed: permission denied; check there";
          expect(await run()).toEqual([3, expect.stringContaining(unread)]);
        }
        restore();
      }
      await jobs({ to: 'archive:file' });
      expect(await run()).toEqual([
        2,
        expect.stringContaining('archive:file is a file, not a folder'),
      ]);
      await jobs({ to: 'archive:file/deeper/place' });
      const notMade = "archive:file/deeper/place can't be created on 127.0.0.1: no such file";
      expect(await run()).toEqual([3, expect.stringContaining(notMade)]);
      await jobs({ ...down, from: 'archive:none' });
      expect(await run()).toEqual([
        7,
        expect.stringContaining(
          'the source archive:none does not exist\n  next: check ROOT/none on 127.0.0.1 and',
        ),
      ]);
      rmSync(root, { recursive: true });
      const where = 'the root ROOT of remote archive on 127.0.0.1';
      expect(await run()).toEqual([
        2,
        expect.stringContaining(`${where} does not exist\n  next: `),
      ]);
      writeFileSync(root, 'x');
      expect(await run()).toEqual([
        2,
        expect.stringContaining(`${where} is a file, not a folder\n  next: `),
      ]);
    },
  );

  test('on this machine: the message says which, where and what next', async ({ scene, sshd }) => {
    const { jobs, run } = await prepare(scene, sshd, 'ssh2');
    const data = scene.here();
    for (const job of [{}, down]) {
      await jobs(job);
      chmodSync(data, 0);
      const unread = "./data: the folder can't be listed: permission denied; check on this machine";
      expect(await run()).toEqual([3, expect.stringContaining(unread)]);
      chmodSync(data, 0o755);
    }
    mkdirSync(join(scene.cwd, 'barred'), { mode: 0 });
    const barred = "./barred/data can't be read: permission denied\n  next: check on this machine";
    for (const job of [{ from: './barred/data' }, { ...down, to: './barred/data' }]) {
      await jobs(job);
      expect(await run()).toEqual([3, expect.stringContaining(barred)]);
    }
    await jobs({ ...down, to: './data/a' });
    expect(await run()).toEqual([2, expect.stringContaining('./data/a is a file, not a folder')]);
    await jobs({ from: './none' });
    const none = `next: check ${join(scene.cwd, 'none')} on this machine and whether`;
    expect(await run()).toEqual([
      7,
      expect.stringContaining(`the source ./none does not exist\n  ${none}`),
    ]);
    await jobs({ ...down, to: '/proc/none' });
    expect(await run()).toEqual([3, expect.stringContaining("/proc/none can't be created: ")]);
  });

  hostileTest.for([
    ['up', 'target', 'gone', 'the destination archive:'],
    ['up', 'target', 'a file', 'the destination archive:'],
    ['down', 'target', 'gone', 'the destination ./data'],
    ['down', 'target', 'another', 'the destination ./data'],
    ['up', 'source', 'removed', 'the source ./data'],
    ['down', 'source', 'gone', 'the source archive:'],
  ] as const)(
    'in the middle of a mirror, %s, %s: %s: 3, and the message says which',
    async ([way, side, state, what], { scene, hostile }) => {
      const sides = turn(scene, way);
      // so large that no file is read before the ones before it are written
      const files = Array.from({ length: 8 }, (_, i) => [`d/f${i}`, Buffer.alloc(400_000, i)]);
      sides.writeSource(Object.fromEntries(files));
      sides.writeTarget({ old: 'old' });
      await sides.jobs({ delete: { max: '100%' } }, { maxFiles: 1 });
      let written = 0;
      hostile.behave = ({ type }) => {
        if (type !== (way === 'up' ? 'WRITE' : 'READ') || ++written !== 3) return 'normal';
        if (state === 'removed') rmSync(sides[side](), { recursive: true });
        else renameSync(sides[side](), `${sides[side]()}.was`);
        if (state === 'a file') writeFileSync(sides[side](), 'x');
        if (state === 'another') mkdirSync(sides[side]());
        return 'normal';
      };
      const { code, report, stderr } = await scene.run();
      expect(code, stderr).toBe(3);
      expect(report.error).toMatchObject({ kind: 'io', hint: expect.any(String) });
      expect(report.error.message).toContain(what);
      expect(report.error.message).toContain('it was there when the run began');
      expect(report.files.deleted).toBe(0);
      const kept = side === 'target' ? `${sides.target()}.was` : sides.target();
      expect(readTree(kept)).toMatchObject({ old: 'old' });
    },
  );
});

describe('row 66: a root on a disk that fails or is used up', () => {
  hostileTest('on the server: 3, in words', async ({ scene, hostile }) => {
    scene.writeHere({ a: 'a' });
    await scene.jobs({ operation: 'push' });
    hostile.behave = ({ type }) => (type === 'WRITE' ? { refuse: 15 } : 'normal');
    const full = await scene.cli(['run', 'job']);
    expect([full.code, full.stderr]).toEqual([
      3,
      expect.stringContaining('the quota on the server is used up'),
    ]);
    const error = { refuse: 4, message: 'Input/output error' };
    hostile.behave = ({ type }) => (type === 'OPENDIR' ? error : 'normal');
    const { code, stderr } = await scene.cli(['run', 'job']);
    const why = `archive:${scene.place}: the folder can't be listed: the server reports only "failure" ("Input/output error")`;
    expect([code, stderr]).toEqual([3, expect.stringContaining(why)]);
  });

  test.for([
    [
      'getdents64',
      'EIO',
      "./data: the folder can't be listed: a disk of this machine reports an input/output error",
    ],
    ['pwrite64', 'EDQUOT', 'a: the disk quota on this machine is used up'],
  ] as const)('here, %s says %s: 3, in words', async ([calls, error, words], { scene }) => {
    scene.writeThere({ a: 'a'.repeat(100_000) });
    scene.writeHere({ kept: 'kept' });
    await scene.jobs({ ...down, from: `archive:${scene.place}` });
    const data = scene.here();
    const on = calls === 'getdents64' ? ['-P', data] : [];
    const wrap = [
      'strace',
      '-f',
      '-qq',
      '-o',
      '/dev/null',
      ...on,
      '-e',
      `inject=${calls}:error=${error}`,
    ];
    const { code, stderr } = await scene.cli(['run', 'job'], { wrap });
    expect([code, stderr]).toEqual([3, expect.stringContaining(words)]);
    expect(readTree(data)).toEqual({ kept: 'kept' });
  });
});

describe('row 66: a state folder that can not be', () => {
  test('is refused in words, and nothing hangs', async ({ scene }) => {
    scene.writeHere({ a: 'a' });
    const bad: readonly (readonly [string, string])[] = [
      ['/proc/none/state', 'the system makes no folders in /proc'],
      ['/dev/null', 'file already exists'],
      ['/dev/null/state', 'not a directory'],
    ];
    for (const [folder, words] of bad)
      for (const verb of [['run', 'job'], ['start']]) {
        const env = { FERRYLINE_STATE_DIR: folder };
        const { code, stderr } = await scene.cli(verb, { env });
        const why = `the state folder ${folder} can't be written: ${words}\n  next: `;
        expect([code, stderr]).toEqual([2, expect.stringContaining(why)]);
      }
  });
});
