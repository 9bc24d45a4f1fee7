/** push, pull and mirror without jobs.yml: addresses as `ssh` takes them, with a home folder of its own. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { test as base, forFile, started } from '../kit/base.js';
import { writeJobs } from '../kit/daemons/cli.js';
import { readTree, sameTree } from '../kit/files/tree.js';
import { remoteIn, type Scene } from '../kit/scene.js';
import { makeKey } from '../kit/servers/keys.js';
import { type Sshd, startSshd } from '../kit/servers/sshd.js';

const test = base.extend(
  'bastion',
  forFile,
  started(() => startSshd()),
);
test.beforeEach(async ({ sshd, scene, bastion }) => {
  rmSync(join(scene.cwd, 'jobs.yml'));
  mkdirSync(join(scene.cwd, '.ssh'), { mode: 0o700 });
  // HOME is the working folder
  home(
    scene,
    'known_hosts',
    [sshd, bastion].map((s) => readFileSync(s.knownHostsFile, 'utf8')).join(''),
  );
});

const home = (scene: Scene, name: string, text: string) =>
  writeFileSync(join(scene.cwd, '.ssh', name), text, { mode: 0o600 });
const keyed = (sshd: Sshd) => ['-i', sshd.keyFile, '-P', String(sshd.port)];
const host = (sshd: Sshd) => `${sshd.username}@${sshd.host}`;
const tree = { 'a.txt': 'a', 'b/c.txt': 'c' };

describe('user@host:path', () => {
  test.for(['push', 'mirror'])(
    '%s: relative to the login folder, -i and -P',
    async (verb, { sshd, scene }) => {
      scene.writeHere(tree);
      scene.writeThere({ 'a.txt': 'old', 'kept.txt': 'k', 'x.txt': 'x' });
      const { code, events } = await scene.cli([
        ...[verb, './data', `${host(sshd)}:${scene.place}`, ...keyed(sshd)],
        ...['--json', '--exclude', 'kept.txt', '--delete-max', '1'],
      ]);
      expect(code).toBe(0);
      expect(events.at(-1)).toMatchObject({ operation: verb, sessions: 1, files: { copied: 2 } });
      expect(readTree(scene.there())).toEqual({
        ...tree,
        'kept.txt': 'k',
        ...(verb === 'push' ? { 'x.txt': 'x' } : {}),
      });
    },
  );

  test('pull', async ({ sshd, scene }) => {
    scene.writeThere(tree);
    const from = `${host(sshd)}:${scene.place}/`;
    expect((await scene.cli(['pull', from, './new', ...keyed(sshd)])).code).toBe(0);
    const { events } = await scene.cli(['runs', '--json']);
    expect(events).toMatchObject([{ report: { operation: 'pull', from, to: './new' } }]);
    expect((await scene.cli(['runs'])).stdout).toContain(`  ${from} -> ./new\n`);
    expect((await scene.cli(['logs', 'latest'])).stdout).toMatch(
      new RegExp(`^[-\\d]+ [:\\d]+ {2}pull ${from} ./new: succeeded: 2 copied`, 'm'),
    );
    expect(sameTree(scene.there(), join(scene.cwd, 'new'))).toBe(true);
  });

  test('two local paths: 2, with the colon that is missing', async ({ scene }) => {
    for (const [words, meant] of [
      [['push', './data', 'backup'], 'ferryline push ./data backup:'],
      [['pull', 'me@backup', './x'], 'ferryline pull me@backup: ./x'],
      [['push', './data', './x'], 'ferryline push ./data HOST:path'],
    ] as const) {
      const { code, stderr } = await scene.cli(words);
      expect([code, stderr]).toEqual([2, expect.stringContaining(`\`${meant}\``)]);
    }
  });

  test('a dry run changes nothing', async ({ sshd, scene }) => {
    scene.writeHere(tree);
    const to = `${host(sshd)}:${scene.place}`;
    const { code, stdout } = await scene.cli(['push', './data', to, ...keyed(sshd), '-n']);
    expect(code).toBe(0);
    expect(stdout).toContain('a.txt');
    expect(Object.keys(readTree(sshd.root)).some((path) => path.startsWith(scene.place))).toBe(
      false,
    );
  });

  test('first contact: 7, with the command that says yes once', async ({ sshd, scene }) => {
    scene.writeHere({ 'a.txt': 'a', 'b.txt': 'b', 'c.txt': 'c' });
    scene.writeThere({ 'a.txt': 'a', 'b.txt': 'b', theirs: 'x' });
    const to = `${host(sshd)}:${scene.place}`;
    const mirror = (...more: string[]) =>
      scene.cli(['mirror', './data', to, ...keyed(sshd), ...more]);
    const { code, stderr } = await mirror();
    expect(code).toBe(7);
    expect(stderr).toContain('first contact');
    expect(stderr).toContain(
      `\`ferryline mirror ./data ${to} --identity ${sshd.keyFile} --port ${sshd.port} --delete-max 1\``,
    );
    expect((await mirror('--delete-max', '1')).code).toBe(0);
    scene.writeThere({ again: 'x' });
    expect((await mirror()).code).toBe(0);
    expect(sameTree(scene.here(), scene.there())).toBe(true);
  });

  test('a push that is refused by the plan of a mirror: 7', async ({ sshd, scene }) => {
    scene.writeHere({ 'a.txt': 'a' });
    scene.writeThere({ x: '', y: '', 'a.txt': 'a' });
    const to = `${host(sshd)}:${scene.place}`;
    expect((await scene.cli(['mirror', './data', to, ...keyed(sshd)])).code).toBe(7);
    const more = ['--max-delete', '90%'];
    expect((await scene.cli(['mirror', './data', to, ...keyed(sshd), ...more])).code).toBe(0);
    expect(readTree(scene.there())).toEqual({ 'a.txt': 'a' });
  });
});

describe('one file', () => {
  test('push: TO is its new name, as with scp, unless a folder is there or a slash ends it', async ({
    sshd,
    scene,
  }) => {
    scene.writeHere({ a: 'abc', 'not this': 'x' });
    const push = async (to: string, ...more: string[]) => {
      const words = ['push', './data/a', `${host(sshd)}:${scene.place}${to}`, ...keyed(sshd)];
      const { code, stdout, stderr } = await scene.cli([...words, ...more]);
      return { code, stdout, stderr };
    };
    expect(await push('/new/b.txt', '-n')).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('b.txt'),
    });
    expect(await push('/new/b.txt')).toMatchObject({ code: 0 });
    expect(await push('/new')).toMatchObject({ code: 0 });
    expect(await push('/other/')).toMatchObject({ code: 0 });
    expect(readTree(scene.there())).toEqual({
      'new/b.txt': 'abc',
      'new/a': 'abc',
      'other/a': 'abc',
    });
    scene.writeHere({ a: 'changed' });
    // patterns judge the file's own name
    expect(await push('/new/b.txt', '--exclude', 'a')).toMatchObject({ code: 0 });
    expect(readTree(scene.there('new'))).toEqual({ 'b.txt': 'abc', a: 'abc' });
    expect(await push('/new/b.txt', '--exclude', '*.txt')).toMatchObject({ code: 0 });
    expect(readTree(scene.there('new'))).toEqual({ 'b.txt': 'changed', a: 'abc' });
    expect(await push('/new/b.txt/')).toMatchObject({ code: 2 });
    expect(await push('/new/b.txt/deeper')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining(`/new/b.txt on the server is a file, not a folder`),
    });
  });

  test('pull alike, and from one name to another on one server', async ({ sshd, scene }) => {
    scene.writeThere({ a: 'abc', x: '' });
    const from = `${host(sshd)}:${scene.place}/a`;
    const pull = async (...words: string[]) => (await scene.cli([...words, ...keyed(sshd)])).code;
    expect(await pull('pull', from, 'b.txt')).toBe(0);
    expect(await pull('pull', from, './')).toBe(0);
    expect(await pull('pull', from, 'none/b.txt')).toBe(2);
    const read = (name: string) => readFileSync(join(scene.cwd, name), 'utf8');
    expect([read('b.txt'), read('a')]).toEqual(['abc', 'abc']);
    expect(await pull('push', from, `${host(sshd)}:${scene.place}/c`)).toBe(0);
    expect(await pull('push', from, `${host(sshd)}:${scene.place}/./a`)).toBe(2);
    expect(readTree(scene.there())).toEqual({ a: 'abc', x: '', c: 'abc' });
  });

  test('`after: delete` removes it by its own name', async ({ sshd, scene }) => {
    scene.writeHere({ a: 'abc', b: 'another' }, { mtime: 1_700_000_000 });
    const to = `${host(sshd)}:${scene.place}/b`;
    scene.writeThere({});
    const { code } = await scene.cli([
      ...['push', './data/a', to, ...keyed(sshd)],
      ...['--after', 'delete'],
    ]);
    expect(code).toBe(0);
    expect(readTree(scene.here())).toEqual({ b: 'another' });
    expect(readTree(scene.there())).toEqual({ b: 'abc' });
  });
});

describe('sftp://', () => {
  test('is absolute, with user and port', async ({ sshd, scene }) => {
    scene.writeHere({ 'a b.txt': 'a' });
    const url = `sftp://${host(sshd)}:${sshd.port}${sshd.root}/${scene.place}/with%20space`;
    expect((await scene.cli(['push', './data', url, '-i', sshd.keyFile])).code).toBe(0);
    expect(readTree(scene.there())).toEqual({ 'with space/a b.txt': 'a' });
  });

  test('with a password in it is refused without repeating it: 2', async ({ sshd, scene }) => {
    scene.writeHere(tree);
    const secret = 'canary-in-url';
    const url = `sftp://u:${secret}@${sshd.host}/x`;
    const { code, stdout, stderr } = await scene.cli(['push', './data', url, '-vv']);
    expect(code).toBe(2);
    expect(stdout + stderr).not.toContain(secret);
  });
});

describe('~/.ssh', () => {
  const config = (sshd: Sshd, scene: Scene, ...more: string[]) =>
    home(
      scene,
      'config',
      [
        'Host backup',
        `  HostName ${sshd.host}`,
        `  Port ${sshd.port}`,
        `  User ${sshd.username}`,
        `  IdentityFile ${sshd.keyFile}`,
        ...more.map((line) => `  ${line}`),
        '',
      ].join('\n'),
    );

  test('config fills in host, port, user and key', async ({ sshd, scene }) => {
    scene.writeHere(tree);
    config(sshd, scene);
    expect((await scene.cli(['push', './data', `backup:${scene.place}`])).code).toBe(0);
    expect(readTree(scene.there())).toEqual(tree);
  });

  test('a key that needs its passphrase is named where nobody can be asked: 5', async ({
    sshd,
    scene,
  }) => {
    scene.writeHere(tree);
    const { file } = makeKey(join(scene.cwd, '.ssh', 'id_ed25519'), 'ed25519', 'secret');
    const to = `${host(sshd)}:${scene.place}`;
    const { code, stderr } = await scene.cli(['push', './data', to, '-P', String(sshd.port)]);
    expect(code).toBe(5);
    expect(stderr).toContain(
      `there is no usable key and no password: the private key ${file} needs its passphrase (ssh-add), there is no agent\n`,
    );
  });

  test('a jobs.yml without that remote does no harm; one that may have it says so', async ({
    sshd,
    scene,
  }) => {
    scene.writeHere(tree);
    config(sshd, scene, 'StrictHostKeyChecking no');
    const push = (...more: string[]) =>
      scene.cli(['push', './data', `backup:${scene.place}`, ...more]);
    const jobs = await writeJobs(scene.cwd, 'remotes: {others-backup: [\n');
    // what is not followed there is said with -v alone: it changes nothing while the key is known
    const notFollowed = 'StrictHostKeyChecking no is not followed';
    const quiet = await push();
    expect([quiet.code, quiet.stderr.includes(notFollowed)]).toEqual([0, false]);
    expect((await push('-v')).stderr).toContain(notFollowed);
    expect((await scene.cli(['ls', `backup:${scene.place}`])).code).toBe(0);
    await writeJobs(scene.cwd, 'remotes: {backup: [\n');
    const { code, stderr } = await push();
    expect(code).toBe(2);
    expect(stderr).toContain(`${jobs} may have a remote backup, and can't be used:\n`);
    expect(stderr).toContain('or mean the ssh host with --no-config');
    expect((await push('--no-config')).code).toBe(0);
  });

  test('trust: by an alias, for the system’s ssh too, into UserKnownHostsFile', async ({
    sshd,
    scene,
  }) => {
    scene.writeHere(tree);
    config(sshd, scene, 'UserKnownHostsFile ~/.ssh/others');
    await writeJobs(scene.cwd, {
      remotes: { nas: { host: 'backup', transport: 'openssh' } },
      jobs: { j: { operation: 'push', from: './data', to: 'nas:x' } },
    });
    const others = join(scene.cwd, '.ssh/others');
    const yes = ['--yes', '--fingerprint', sshd.hostKeyFingerprint];
    for (const target of ['backup', 'nas']) {
      rmSync(others, { force: true });
      expect(await scene.cli(['trust', target, ...yes])).toMatchObject({ code: 0 });
      expect(readFileSync(others, 'utf8')).toContain(`[${sshd.host}]:${sshd.port} ssh-ed25519 `);
    }
  });

  test('--no-config takes the host, whatever jobs.yml calls so', async ({ sshd, scene }) => {
    scene.writeHere(tree);
    config(sshd, scene);
    const elsewhere = { ...remoteIn(sshd), port: 1 };
    await writeJobs(scene.cwd, { remotes: { backup: elsewhere } });
    const words = ['push', './data', `backup:${scene.place}`];
    expect((await scene.cli(words)).code).toBe(4);
    expect((await scene.cli([...words, '--no-config'])).code).toBe(0);
    expect(readTree(scene.there())).toEqual(tree);
    const run = await scene.cli(['run', '--all', '--no-config']);
    expect(run.code).toBe(2);
    expect(run.stderr).toContain('needs a jobs.yml; leave out --no-config');
  });

  test('a default key is found', async ({ sshd, scene }) => {
    scene.writeHere(tree);
    home(scene, 'id_ed25519', readFileSync(sshd.keyFile, 'utf8'));
    const to = `${host(sshd)}:${scene.place}`;
    expect((await scene.cli(['push', './data', to, '-P', String(sshd.port)])).code).toBe(0);
    expect(readTree(scene.there())).toEqual(tree);
  });

  test('ProxyJump goes through another host: two logins, one on each', async ({
    sshd,
    scene,
    bastion,
  }) => {
    scene.writeHere(tree);
    config(sshd, scene, 'ProxyJump bastion');
    const text = readFileSync(join(scene.cwd, '.ssh/config'), 'utf8');
    home(
      scene,
      'config',
      `${text}Host bastion\n  HostName ${bastion.host}\n  Port ${bastion.port}\n  User ${bastion.username}\n  IdentityFile ${bastion.keyFile}\n`,
    );
    const before = [sshd.logins(), bastion.logins()];
    const { code, events } = await scene.cli([
      ...['push', './data', `backup:${scene.place}`, '--json'],
    ]);
    expect(code).toBe(0);
    expect(events.at(-1)).toMatchObject({ sessions: 2 });
    expect([sshd.logins(), bastion.logins()]).toEqual(before.map((n) => n + 1));
    expect(readTree(scene.there())).toEqual(tree);
  });

  test('an unknown host: 6, with the command that pins it, before any login', async ({
    sshd,
    scene,
  }) => {
    scene.writeHere(tree);
    home(scene, 'known_hosts', '');
    const before = sshd.logins();
    const to = `${host(sshd)}:${scene.place}`;
    const { code, stderr } = await scene.cli(['push', './data', to, ...keyed(sshd)]);
    expect(code).toBe(6);
    expect(stderr).toContain('ferryline trust');
    expect(stderr).toContain(sshd.hostKeyFingerprint);
    expect(sshd.logins()).toBe(before);
  });
});
