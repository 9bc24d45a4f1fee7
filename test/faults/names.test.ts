/**
 * Faults of names and kinds: rows 32, 35, 36 and 38 of docs/faults.md, through the built CLI.
 * The rest of rows 35 (names byte for byte, invalid UTF-8) and 36 (NFC) is in e2e/names.test.ts.
 */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { attributesReply, type NameLine, nameReply } from '../../src/test-server/sftp-server.js';
import { isRoot } from '../kit/account.js';
import { hostileTest, test } from '../kit/base.js';
import { ferryline, type JsonEvent, writeJobs } from '../kit/daemons/cli.js';
import { dots, escapes, hostileNames, tooLong } from '../kit/files/hostile-names.js';
import { temporaryFolder } from '../kit/files/temporary.js';
import { readTree, sameTree, writeTree } from '../kit/files/tree.js';
import { remoteIn } from '../kit/scene.js';
import { listing } from '../kit/servers/hostile-replies.js';
import type { Asked, Behave, HostileServer } from '../kit/servers/hostile-server.js';
import { ignoresCase } from '../kit/servers/odd-names.js';

const changing = ['WRITE', 'MKDIR', 'RMDIR', 'REMOVE', 'RENAME', 'SYMLINK', 'SETSTAT', 'EXTENDED'];
const changes = (asked: Asked) =>
  changing.includes(asked.type) && asked.extension !== 'limits@openssh.com';

describe('row 32: names that a server lists', () => {
  /** The same listing in every folder below `/in`, and whatever is opened for reading is there. */
  const lists =
    (namesIn: (folder: string) => readonly (string | Buffer | NameLine)[]): Behave =>
    async (asked) => {
      if (asked.type === 'OPEN' && asked.flags === 1)
        return { instead: { ...asked, path: '/served', to: '' } };
      if (asked.type !== 'READDIR' || !asked.at.startsWith('/in')) return 'normal';
      return behaviours.get(asked.at)?.(asked) ?? remember(asked.at, namesIn)(asked);
    };
  let behaviours: Map<string, Behave>;
  const remember = (
    folder: string,
    namesIn: (folder: string) => readonly (string | Buffer | NameLine)[],
  ) => {
    const behave = listing(namesIn(folder));
    behaviours.set(folder, behave);
    return behave;
  };

  /** Puts canaries beside and above every root. `outside` reads all of both sides but the roots. */
  async function surroundings(hostile: HostileServer) {
    const cwd = await temporaryFolder();
    const canaries = { x: 'canary', 'canary/x': 'canary', 'a/x': 'canary', 'b/x': 'canary' };
    writeTree(join(cwd, 'deep/er/roots'), canaries);
    writeTree(join(cwd, 'deep/er'), canaries);
    writeTree(join(cwd, 'deep'), canaries);
    writeTree(cwd, canaries);
    writeTree(join(hostile.folder, 'in'), canaries);
    writeTree(hostile.folder, { ...canaries, served: 'abc' }, { mtime: 1_700_000_000 });
    behaviours = new Map();
    const outside = () =>
      [cwd, hostile.folder].map((folder) =>
        Object.entries(readTree(folder)).filter(
          ([path]) => !/^(?:deep\/er\/roots\/\d+|in\/\d+|\.state|jobs\.yml)(?:\/|$)/.test(path),
        ),
      );
    return { cwd, outside };
  }

  const count = hostileNames.length;
  test(`there are more than a hundred (${count})`, () => {
    expect(count).toBeGreaterThan(100);
  });

  const kinds = { file: 0o100644, folder: 0o040755, link: 0o120777 };

  test.for([
    ['pull', 'from', 'file'],
    ['mirror', 'from', 'folder'],
    ['push', 'to', 'link'],
    ['mirror', 'both', 'file'],
  ] as const)(
    'that are impossible, %s with the server as `%s`, each a %s: 9 each',
    { timeout: 120_000 },
    async ([operation, side, kind], { hostile }) => {
      const { cwd, outside } = await surroundings(hostile);
      const jobs: Record<string, object> = {};
      escapes.forEach((_, i) => {
        const here = `./deep/er/roots/${i}`;
        writeTree(join(cwd, here), { mine: 'mine' });
        mkdirSync(join(hostile.folder, 'in', `${i}`), { recursive: true });
        const there = `archive:in/${i}`;
        const from = side === 'to' ? here : there;
        const to = side === 'from' ? here : side === 'both' ? `archive:in/${1000 + i}` : there;
        const more =
          operation === 'mirror' ? { delete: { max: '100%' } } : { after: 'delete', settle: false };
        jobs[`j${i}`] = { operation, from, to, symlinks: 'preserve', ...more };
      });
      await writeJobs(cwd, { remotes: { archive: remoteIn(hostile) }, jobs });
      const line = (name = '') => ({
        name: Buffer.from(name).toString('latin1'),
        attributes: { size: 3, mode: kinds[kind], mtime: 1_700_000_000 },
      });
      hostile.behave = lists((folder) => [line(escapes[Number(folder.slice(4)) % 1000]), 'fine']);
      const before = outside();
      const asked = hostile.requests.length;

      const { code, events, stderr } = await ferryline(['run', ...Object.keys(jobs), '--json'], {
        cwd,
      });
      expect(code, stderr.slice(-2000)).toBe(9);
      const ends = events.filter(({ event }) => event === 'run');
      expect(ends).toHaveLength(escapes.length);
      ends.forEach((end, i) => {
        const name = JSON.stringify(escapes[i]);
        expect(end, name).toMatchObject({ exitCode: 9, files: { copied: 0, deleted: 0 } });
        expect(end.error.kind, name).toBe('hostile-peer');
        expect(readTree(join(cwd, `deep/er/roots/${i}`)), name).toEqual({ mine: 'mine' });
      });
      expect(outside()).toEqual(before);
      expect(hostile.requests.slice(asked).filter(changes)).toEqual([]);
    },
  );

  test.for(['pull', 'mirror'])(
    'what links lead to, %s: none leads out of the root, nothing outside is read or written',
    { timeout: 120_000 },
    async (operation, { hostile }) => {
      const { cwd, outside } = await surroundings(hostile);
      mkdirSync(join(hostile.folder, 'in'), { recursive: true });
      const root = join(cwd, 'deep/er/roots/0');
      writeTree(root, { mine: 'mine' });
      const targets = [...escapes, ...dots, '../0/../canary/x', 'fine', 'l0', ''];
      const link = (_: string, i: number) => ({
        name: `l${i}`,
        attributes: { size: 3, mode: kinds.link, mtime: 1_700_000_000 },
      });
      const asks = lists(() => [...targets.map(link), 'fine']);
      hostile.behave = (asked) => {
        const i = /\/l(\d+)$/.exec(asked.path)?.[1];
        if (i === undefined) return asks(asked);
        if (asked.type === 'LSTAT') return attributesReply(asked.id, link('', 0).attributes);
        if (asked.type !== 'READLINK') return asks(asked);
        const name = Buffer.from(targets[Number(i)] ?? '').toString('latin1');
        return nameReply(asked.id, [{ name, attributes: {} }]);
      };
      const before = outside();
      for (const symlinks of ['preserve', 'follow', 'skip']) {
        const job = { operation, from: 'archive:in', to: './deep/er/roots/0', symlinks };
        await writeJobs(cwd, { remotes: { archive: remoteIn(hostile) }, jobs: { job } });
        const { code, stderr } = await ferryline(['run', 'job', '--json'], { cwd });
        expect([0, 3, 7, 9], stderr.slice(-1000)).toContain(code);
        expect(outside()).toEqual(before);
        for (const made of Object.values(readTree(root))) {
          if (made === null || typeof made === 'string') continue;
          const { link: target } = made as { link: string };
          // one may lead to the root itself
          expect(target.startsWith('/'), target).toBe(false);
          expect(`${join(root, target)}/`.startsWith(`${root}/`), target).toBe(true);
        }
        expect(readTree(root)).toMatchObject({ mine: 'mine' });
      }
      const led = hostile.requests.filter(({ path }) => /canary|passwd|\.ssh/.test(path));
      expect(led.filter(({ path }) => !path.startsWith('/in/'))).toEqual([]);
    },
  );

  test.for(['pull', 'mirror'])(
    'too long, and dots, %s: reported and not copied',
    async (operation, { hostile }) => {
      const { cwd, outside } = await surroundings(hostile);
      mkdirSync(join(hostile.folder, 'in'), { recursive: true });
      const to = './deep/er/roots/0';
      writeTree(join(cwd, to), { mine: 'mine' });
      const job = { operation, from: 'archive:in', to, delete: { max: '100%' } };
      await writeJobs(cwd, { remotes: { archive: remoteIn(hostile) }, jobs: { job } });
      hostile.behave = lists(() => [...dots, ...tooLong, 'fine']);
      const before = outside();
      const { code, events } = await ferryline(['run', 'job', '--json', '--delete-max', '100%'], {
        cwd,
      });
      expect(code).toBe(3);
      expect(events.at(-1)?.files).toMatchObject({
        copied: 1,
        failed: tooLong.length,
        deleted: 0,
      });
      for (const { message } of events.at(-1)?.failures ?? []) expect(message).toMatch(/255 bytes/);
      expect(readTree(join(cwd, to))).toEqual({ mine: 'mine', fine: 'abc' });
      expect(outside()).toEqual(before);
    },
  );
});

describe('row 35: what a server says', () => {
  hostileTest('in a name or an error comes out as one escaped line', async ({ scene, hostile }) => {
    const name = 'a\u001b[31m\nb\u202e';
    scene.writeThere({ [name]: 'x', fine: 'fine' });
    await scene.jobs({ operation: 'pull', from: `archive:${scene.place}`, to: './data' });
    hostile.behave = (asked) =>
      asked.type === 'OPEN' && asked.path.endsWith(name)
        ? { refuse: 4, message: 'no\u001b]0;title\u0007\r\nok: 9 files copied\u2028' }
        : 'normal';
    for (const flags of [[], ['-v'], ['-vv'], ['-n']]) {
      const { code, stdout, stderr } = await scene.cli(['run', 'job', ...flags]);
      expect(code).toBe(flags.includes('-n') ? 0 : 3);
      // biome-ignore lint/suspicious/noControlCharactersInRegex: what must not reach a terminal
      const raw = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028\u2029\u202e]/;
      expect(stdout + stderr).not.toMatch(raw);
      expect(stderr).not.toMatch(/^ok: 9 files/m);
      const failed = stderr.split('\n').filter((line) => /^ *failed /.test(line));
      expect(failed, stderr).toHaveLength(flags.includes('-n') ? 0 : 1);
      for (const line of failed) expect(line).toContain('a\\x1b[31m\\nb\\u202e');
    }
    expect(readTree(scene.here())).toEqual({ fine: 'fine' });
  });
});

describe('row 36: names that count as one', () => {
  hostileTest(
    'but for case, on a side that ignores it: 3, nothing overwritten',
    async ({ scene, hostile }) => {
      scene.writeHere({
        'Read.me': 'upper',
        'read.me': 'lower',
        fine: 'fine',
        'd/A': '1',
        'd/a': '2',
      });
      scene.writeThere({ 'READ.ME': 'old', gone: 'gone' });
      scene.mirrored();
      await scene.jobs({ delete: { max: '100%' } });
      hostile.behave = ignoresCase(hostile.folder);
      const { code, report, stderr } = await scene.run();
      expect(code, stderr).toBe(3);
      expect(report.files).toMatchObject({ copied: 1, deleted: 0 });
      for (const { kind } of report.failures) expect(kind).toBe('conflict');
      expect(report.failures.map(({ path }: JsonEvent) => path).sort()).toEqual(
        ['READ.ME', 'Read.me', 'd/A', 'd/a', 'read.me'].sort(),
      );
      expect(readTree(scene.there())).toMatchObject({
        'READ.ME': 'old',
        gone: 'gone',
        fine: 'fine',
      });
      // once case counts, the next run converges
      hostile.behave = () => 'normal';
      expect((await scene.run()).code).toBe(0);
      expect(sameTree(scene.here(), scene.there())).toBe(true);
    },
  );

  test('like a file of ours that was set aside, without its file: left alone', async ({
    scene,
  }) => {
    const odd = '...0123456789abcdef.ferryold';
    scene.writeHere({ b: 'b' });
    scene.writeThere({ [odd]: 'theirs' });
    expect((await scene.run()).code).toBe(0);
    expect(readTree(scene.there())).toEqual({ [odd]: 'theirs', b: 'b' });
  });

  test('exactly like our own temporary files: skipped on both sides', async ({ scene }) => {
    const now = Math.floor(Date.now() / 1000).toString(36);
    const ours = `.a.0123456789abcdef.${now}-abcdefgh.ferrypart`;
    const nearly = '.a.0123456789abcde.ferrypart';
    scene.writeHere({ [ours]: 'mine', [nearly]: 'mine too', b: 'b' });
    scene.writeThere({ [`sub/${ours}`]: 'theirs', [ours]: 'theirs' });
    scene.mirrored();
    await scene.jobs({ delete: { max: '100%' } });
    const { code, report } = await scene.run();
    expect(code).toBe(0);
    expect(report.files).toMatchObject({ copied: 2, deleted: 0, failed: 0, skipped: 1 });
    expect(readTree(scene.there())).toEqual({
      [ours]: 'theirs',
      [`sub/${ours}`]: 'theirs',
      [nearly]: 'mine too',
      b: 'b',
    });
    expect(readTree(scene.here())).toHaveProperty([ours], 'mine');
    expect((await scene.run()).report.files).toMatchObject({ copied: 0, deleted: 0, unchanged: 2 });
  });
});

describe('row 38: what is not a file', () => {
  test.for(['up', 'down'])(
    'FIFO, socket and device are listed and left, %s: 0',
    async (way, { scene }) => {
      const tree = { 'd/file': 'file', tool: 'tool' };
      const source = way === 'up' ? scene.here : scene.there;
      if (way === 'up') scene.writeHere(tree);
      else scene.writeThere(tree);
      if (way === 'down')
        await scene.jobs({ from: `archive:${scene.place}`, to: './data', delete: { max: '100%' } });
      execFileSync('mkfifo', [source('d/fifo')]);
      // only root makes devices
      if (isRoot) execFileSync('mknod', [source('device'), 'c', '1', '3']);
      chmodSync(source('tool'), 0o6755);
      const socket = createServer().listen(source('socket'));
      await once(socket, 'listening');
      try {
        const special = ['d/fifo', 'socket', ...(isRoot ? ['device'] : [])].sort();
        const { code, report, events } = await scene.run();
        expect(code).toBe(0);
        expect(report.files).toMatchObject({ copied: 2, skipped: special.length, failed: 0 });
        const skips = events.filter(({ action }) => action === 'skip');
        expect(skips.map(({ path, kind }) => [path, kind]).sort()).toEqual(
          special.map((path) => [path, 'special']),
        );
        const target = way === 'up' ? scene.there : scene.here;
        expect(readTree(target())).toEqual(tree);
        expect(statSync(target('tool')).mode & 0o7777).toBe(0o755);
        expect((await scene.run()).report.files).toMatchObject({ copied: 0, unchanged: 2 });
      } finally {
        socket.close();
      }
    },
  );

  test('at the destination, in the way of a file: 3, and it stays', async ({ scene }) => {
    scene.writeHere({ x: 'x', y: 'y' });
    scene.writeThere({ z: 'z' });
    execFileSync('mkfifo', [scene.there('x')]);
    const { code, report } = await scene.run('--max-delete', '100%');
    expect([code, report.failures]).toMatchObject([3, [{ path: 'x', kind: 'conflict' }]]);
    expect(readTree(scene.there())).toEqual({ x: 'special', y: 'y', z: 'z' });
  });
});
