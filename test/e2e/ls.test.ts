/** `ferryline ls`: what is on a server, at a remote of jobs.yml and at an ssh host. */
import { chmodSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { giveTo, serverAccount } from '../kit/account.js';
import { test } from '../kit/base.js';
import { remoteIn } from '../kit/scene.js';

const mtime = Date.parse('2026-01-31T02:00:00Z') / 1000;
const tree = { 'b.txt': 'four', 'a/deep/c.txt': 'c', 'a/e': 'ee', Z: '' };

describe('a folder', () => {
  test('its names, a folder with a slash; with -R what is below it, too', async ({ scene }) => {
    scene.writeThere(tree);
    const names = await scene.cli(['ls', `archive:${scene.place}`]);
    expect([names.code, names.stdout]).toEqual([0, 'Z\na/\nb.txt\n']);
    const all = await scene.cli(['ls', '-R', `archive:${scene.place}/`]);
    expect(all.stdout).toBe('Z\na/\nb.txt\na/deep/\na/e\na/deep/c.txt\n');
  });

  test('-l: mode, bytes, time, where a link leads', async ({ scene }) => {
    scene.writeThere({ 'b.txt': 'four' }, { mtime });
    chmodSync(scene.there('b.txt'), 0o640);
    symlinkSync('b.txt', scene.there('link'));
    mkdirSync(scene.there('sticky'));
    chmodSync(scene.there('sticky'), 0o1777);
    const { stdout } = await scene.cli(['ls', '-l', `archive:${scene.place}`]);
    const lines = stdout.split('\n');
    expect(lines[0]).toMatch(/^-rw-r----- {13}4 {2}2026-01-31T02:00:00Z {2}b\.txt$/);
    expect(lines[1]).toMatch(/^lrwxrwxrwx .* link -> b\.txt$/);
    expect(lines[2]).toMatch(/^drwxrwxrwt {13}- {2}\S{20} {2}sticky\/$/);
  });

  test('--json: an event for each entry, and nothing else', async ({ scene }) => {
    scene.writeThere({ 'b.txt': 'four' }, { mtime });
    chmodSync(scene.there('b.txt'), 0o640);
    const { stdout, events } = await scene.cli(['ls', `archive:${scene.place}`, '--json']);
    expect(stdout.trim().split('\n')).toHaveLength(1);
    const facts = { kind: 'file', size: 4, mtime, mode: 0o640 };
    expect(events[0]).toMatchObject({ event: 'entry', path: 'b.txt', ...facts });
  });

  test('a name that would move the cursor is escaped', async ({ scene }) => {
    scene.writeThere({ 'a\u001b[2Jb': '' });
    const { stdout } = await scene.cli(['ls', `archive:${scene.place}`]);
    expect(stdout).not.toContain('\u001b');
  });

  test('a folder that may not be read: 3 and its path; the others are listed', async ({
    scene,
  }) => {
    scene.writeThere({ 'a/x': '', 'b/y': '', 'c/z': '' });
    giveTo(serverAccount(), scene.there());
    chmodSync(scene.there('b'), 0);
    const { code, stdout, stderr } = await scene.cli(['ls', '-R', `archive:${scene.place}`]);
    chmodSync(scene.there('b'), 0o755);
    expect([code, stdout]).toEqual([3, 'a/\nb/\nc/\na/x\nc/z\n']);
    expect(stderr).toContain('b');
  });
});

test('a file is listed by itself', async ({ scene }) => {
  scene.writeThere({ 'd/b.txt': 'four' });
  const { code, stdout } = await scene.cli(['ls', `archive:${scene.place}/d/b.txt`]);
  expect([code, stdout]).toEqual([0, 'b.txt\n']);
});

test('an ssh host, without jobs.yml', async ({ sshd, scene }) => {
  scene.writeThere(tree);
  rmSync(join(scene.cwd, 'jobs.yml'));
  mkdirSync(join(scene.cwd, '.ssh'), { mode: 0o700 });
  writeFileSync(join(scene.cwd, '.ssh/known_hosts'), readFileSync(sshd.knownHostsFile));
  const place = `${sshd.username}@${sshd.host}:${scene.place}`;
  const keyed = ['-i', sshd.keyFile, '-P', String(sshd.port)];
  const { code, stdout } = await scene.cli(['ls', place, ...keyed]);
  expect([code, stdout]).toEqual([0, 'Z\na/\nb.txt\n']);
});

describe('refused', () => {
  test('what is not there: 3, with its name', async ({ scene }) => {
    scene.writeThere(tree);
    const { code, stderr } = await scene.cli(['ls', `archive:${scene.place}/none`]);
    expect(code).toBe(3);
    expect(stderr).toContain(`archive:${scene.place}/none`);
  });

  test('a local path: 2, with the way to write a host', async ({ scene }) => {
    const { code, stderr } = await scene.cli(['ls', './data']);
    expect(code).toBe(2);
    expect(stderr).toContain('HOST:path');
  });

  test('a path that leads out of the root: as a run refuses it', async ({ sshd, scene }) => {
    scene.writeThere(tree);
    await scene.jobs({}, remoteIn(sshd, { root: scene.there('a') }));
    expect((await scene.cli(['ls', 'archive:e'])).stdout).toBe('e\n');
    const { code, stdout } = await scene.cli(['ls', 'archive:../b.txt']);
    expect([code, stdout]).toEqual([2, '']);
  });
});
