/** `ferryline doctor`: each stage on servers in order and on odd ones, what it writes, and how it ends. */
import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { hostileTest, test } from '../../kit/base.js';
import type { JsonEvent } from '../../kit/daemons/cli.js';
import { readTree } from '../../kit/files/tree.js';
import type { Scene } from '../../kit/scene.js';
import { says, storesMtimes } from '../../kit/servers/odd-attributes.js';
import { ignoresCase } from '../../kit/servers/odd-names.js';
import { startRedis } from '../../kit/servers/redis.js';

/** Runs the doctor, and returns its stages by name. */
async function examine(scene: Scene, ...args: string[]) {
  const { code, events, stdout, stderr } = await scene.cli(['doctor', ...args, '--json']);
  const stages = new Map(events.map((event) => [String(event.stage), event]));
  const of = (stage: string): JsonEvent | undefined => stages.get(stage);
  return {
    code,
    of,
    states: events.map(({ state }) => state),
    names: [...stages.keys()],
    stdout,
    stderr,
  };
}

const reading = [
  'name',
  'connection',
  'host key',
  'login',
  'sftp',
  'round trip',
  'learnt',
  'folder',
];
const writing = [
  'write',
  'clock',
  'mtimes',
  'modes',
  'names',
  'rename',
  'speed up',
  'speed down',
  'clean up',
];
const here = ['ciphers', 'time zones', 'jobs.yml', 'queue', 'key', 'state folder', 'local folder'];

describe('a server in order', () => {
  test('without --write: each stage, and nothing is changed there', async ({ scene }) => {
    scene.writeHere({ a: '' });
    scene.writeThere({ kept: 'k' });
    const { code, names, states, of } = await examine(scene, 'archive');
    expect([code, names]).toEqual([0, [...reading, ...here]]);
    expect(states.every((state) => state === 'ok')).toBe(true);
    expect(of('connection')?.found).toMatch(/^SSH-2\.0-OpenSSH/);
    expect(of('login')?.found).toContain('logging in as');
    expect(of('folder')?.found).toContain(`archive:${scene.place} is ${scene.there()}`);
    expect(readTree(scene.there())).toEqual({ kept: 'k' });
  });

  test('with --write: probes the folder of the job, and removes the probes', async ({ scene }) => {
    scene.writeHere({ a: '' });
    scene.writeThere({ kept: 'k' });
    const { code, names, of, stdout } = await examine(scene, 'archive', '--write');
    expect([code, names], stdout).toEqual([0, [...reading, ...writing, ...here]]);
    expect(of('clock')?.found).toContain('time-zone offset: server 0 s, local ');
    expect(of('mtimes')?.found).toContain('kept to the second');
    expect(of('rename')?.found).toContain('in one step');
    for (const way of ['speed up', 'speed down']) expect(of(way)?.found).toMatch(/\/s \(.* in /);
    expect(readTree(scene.there())).toEqual({ kept: 'k' });
  });

  test('without a name: every remote of jobs.yml, in words', async ({ scene }) => {
    scene.writeThere({ a: '' });
    const { code, stdout } = await scene.cli(['doctor']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^archive: \S+@\S+ port \d+\n {2}ok {8}name /);
    expect(stdout).toMatch(/^here: ferryline \d+\.\d+\.\d+, Node v/m);
  });

  test("by the system's ssh, which looks the host up and checks its key itself", async ({
    scene,
  }) => {
    scene.writeThere({ a: '' });
    await scene.jobs({}, { transport: 'openssh' });
    const { code, names, of } = await examine(scene, 'archive');
    expect([code, names]).toEqual([0, [...reading.slice(3), ...here]]);
    expect(of('login')?.found).toContain('OpenSSH');
  });

  test('an ssh host, without jobs.yml', async ({ sshd, scene }) => {
    rmSync(join(scene.cwd, 'jobs.yml'));
    mkdirSync(join(scene.cwd, '.ssh'), { mode: 0o700 });
    writeFileSync(join(scene.cwd, '.ssh/known_hosts'), readFileSync(sshd.knownHostsFile));
    writeFileSync(join(scene.cwd, '.ssh/config'), 'StrictHostKeyChecking no\n');
    const place = `${sshd.username}@${sshd.host}`;
    const { code, of, stderr } = await examine(
      scene,
      place,
      '-i',
      sshd.keyFile,
      '-P',
      String(sshd.port),
    );
    expect([code, of('login')?.state]).toEqual([0, 'ok']);
    expect(stderr).toContain('StrictHostKeyChecking no is not followed');
    // a jobs.yml with errors is one finding: what the command line names is examined all the same
    writeFileSync(join(scene.cwd, 'jobs.yml'), 'jobs:\n  nightly:\n    operation: psh\n');
    const broken = await examine(scene, place, '-i', sshd.keyFile, '-P', String(sshd.port));
    expect([broken.code, broken.of('login')?.state, broken.of('state folder')?.state]).toEqual([
      ...[2, 'ok', 'ok'],
    ]);
    expect(broken.of('jobs.yml')).toMatchObject({
      state: 'failed',
      found: expect.stringMatching(/jobs\.yml:3:16 .*push/),
      fix: expect.stringContaining(`${place} was taken as an ssh host`),
    });
    expect((await examine(scene)).of('jobs.yml')?.state).toBe('failed');
  });
});

describe('what is wrong: the stage, why, what next, and the exit code of a run', () => {
  test.for<[string, object, number, string, RegExp]>([
    ['no such name', { host: 'no-such-host.invalid' }, 4, 'name', /can't be looked up/],
    ['nothing listens', { port: 1 }, 4, 'connection', /refused/],
    ['an unknown host key', { knownHosts: '/dev/null' }, 6, 'host key', /not known/],
    [
      'another host key',
      { hostKey: `SHA256:${'a'.repeat(43)}` },
      6,
      'host key',
      /not the pinned one/,
    ],
    ['no such account', { username: 'nobody-of-that-name' }, 5, 'login', /./],
    ['no such root', { root: '/no/such/root' }, 2, 'folder', /does not exist/],
  ])('%s', async ([_name, remote, code, stage, why], { scene }) => {
    await scene.jobs({}, remote);
    const found = await examine(scene, 'archive');
    expect([found.code, found.of(stage)?.state], found.stdout).toEqual([code, 'failed']);
    expect(found.of(stage)?.found).toMatch(why);
    expect(found.of(stage)?.fix).toBeTruthy();
    // what needs that stage is not looked at; this machine is
    expect(found.names.slice(found.names.indexOf(stage) + 1)).toEqual(here);
  });

  test('a web server', async ({ scene }) => {
    const web = createServer().listen(0, '127.0.0.1');
    await new Promise((listening) => web.once('listening', listening));
    const { port } = web.address() as AddressInfo;
    await scene.jobs({}, { host: '127.0.0.1', port, replyTimeout: '2s' });
    const found = await examine(scene, 'archive');
    web.close();
    web.closeAllConnections();
    expect([found.code, found.of('connection')?.state]).toEqual([4, 'failed']);
  });

  test('a key that others can read, and a queue that is down', async ({ sshd, scene }) => {
    const redis = await startRedis();
    const config = await scene.jobs();
    const text = readFileSync(config, 'utf8');
    writeFileSync(config, `queue: ${redis.url}\n${text}`);
    const up = await examine(scene, 'archive');
    expect([up.code, up.of('queue')?.found]).toEqual([
      0,
      expect.stringContaining('redis, answers in'),
    ]);
    await redis.stop();
    const key = join(scene.cwd, 'open-key');
    writeFileSync(key, readFileSync(sshd.keyFile));
    chmodSync(key, 0o644);
    writeFileSync(config, readFileSync(config, 'utf8').replace(sshd.keyFile, key));
    const down = await examine(scene, 'archive');
    expect([down.code, down.of('queue')?.state, down.of('key')]).toMatchObject([
      4,
      'failed',
      { state: 'warning', fix: `chmod 600 ${key}` },
    ]);
  });
});

describe('an odd server is found out, and runs go by it', () => {
  hostileTest('the time of its zone', async ({ scene, hostile }) => {
    hostile.behave = says(({ mtime = 0 }) => ({ mtime: mtime + 7200 }));
    scene.writeThere({ a: '' });
    const { code, of } = await examine(scene, 'archive', '--write');
    expect([code, of('clock')?.state]).toEqual([0, 'warning']);
    expect(of('clock')?.found).toContain('server 7,200 s');
    expect(of('mtimes')?.found).toContain('stored 7200 s later');
  });

  hostileTest('steps of two seconds, none after 2038', async ({ scene, hostile }) => {
    hostile.behave = storesMtimes((mtime) => Math.min(mtime - (mtime % 2), 2 ** 31 - 1));
    scene.writeThere({ a: '' });
    const { code, of } = await examine(scene, 'archive', '--write');
    const found =
      'stored in steps of 2 s, rounded down, but 2041-01-01T00:00:01Z became 2038-01-19T03:14:07Z';
    expect([code, of('mtimes')?.found]).toEqual([0, found]);
    const { stdout } = await scene.cli(['explain', 'job', 'a']);
    expect(stdout).toContain('stores mtimes in steps of 2 s, rounded down');
  });

  hostileTest('no case of names', async ({ scene, hostile }) => {
    hostile.behave = ignoresCase(hostile.folder);
    scene.writeThere({ a: '' });
    const { of } = await examine(scene, 'archive', '--write');
    expect(of('names')?.found).toContain('ignores the case of names');
    const { stdout } = await scene.cli(['explain', 'job', 'a']);
    expect(stdout).toContain('ignores the case of names');
  });
});

describe('--report', () => {
  test('has the stages, jobs.yml and the transcript, without secrets; never replaces a file', async ({
    scene,
  }) => {
    await scene.jobs({}, { auth: { password: 'canary-of-doctor' } });
    const { code } = await scene.cli(['doctor', 'archive', '--report', 'r.json']);
    expect(code).toBe(5);
    const text = readFileSync(join(scene.cwd, 'r.json'), 'utf8');
    expect(text).not.toContain('canary-of-doctor');
    const report = JSON.parse(text);
    expect(report.stages.map(({ stage }: JsonEvent) => stage)).toContain('login');
    expect(report.jobsYml.join('\n')).toContain('password: [secret]');
    expect(report.transcript.length).toBeGreaterThan(0);
    const again = await scene.cli(['doctor', 'archive', '--report', 'r.json']);
    expect([again.code, again.stderr]).toEqual([
      3,
      expect.stringContaining('there is such a file'),
    ]);
  });
});
