/** Jobs with several targets, and commands for several jobs, against real servers. */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { test } from '../kit/base.js';
import { type JsonEvent, writeJobs } from '../kit/daemons/cli.js';
import { remoteIn, type Scene } from '../kit/scene.js';
import type { Sshd } from '../kit/servers/sshd.js';

/** Remotes web1, web2 and web3 in a group, each with a folder of its own on the server; web3 is out of reach if told so. */
async function web(
  scene: Scene,
  sshd: Sshd,
  job: object,
  { down = false }: { down?: boolean } = {},
): Promise<void> {
  const remote = (name: string, changes: object = {}) =>
    remoteIn(sshd, { root: `${sshd.root}/${scene.place}/${name}`, ...changes });
  scene.writeThere({ 'web1/root': '', 'web2/root': '', 'web3/root': '' });
  await writeJobs(scene.cwd, {
    remotes: {
      web1: remote('web1'),
      web2: remote('web2'),
      web3: remote('web3', down ? { port: 1 } : {}),
    },
    groups: { web: ['web1', 'web2', 'web3'] },
    jobs: { job },
  });
}

const push = { operation: 'push', from: './data', to: 'web:www' };
const mirror = { operation: 'mirror', from: './data', to: 'web:www' };
const targets = (report: JsonEvent) =>
  report.targets.map((one: JsonEvent) => [one.target, one.outcome, one.files.copied]);
const targetsOf = (events: readonly JsonEvent[], event: string) =>
  events.filter((one) => one.event === event).map(({ target }) => target);

test('a group where one remote is needed: 2, naming its members, and no login', async ({
  sshd,
  scene,
}) => {
  scene.writeHere({ a: 'one' });
  await web(scene, sshd, push);
  const before = sshd.logins();
  const { code, stderr } = await scene.cli(['push', './data', 'web:www']);
  expect(code).toBe(2);
  expect(stderr).toContain('web is a group of remotes');
  expect(stderr).toContain('web1:www or web2:www or web3:www');
  expect(sshd.logins()).toBe(before);
});

describe('a job with several targets', () => {
  test('brings every one up to date, with one report', async ({ sshd, scene }) => {
    scene.writeHere({ a: 'one', 'b/c': 'two' });
    await web(scene, sshd, push);
    const { code, report, events } = await scene.run();
    expect(code).toBe(0);
    expect(targets(report)).toEqual([
      ['web1:www', 'succeeded', 2],
      ['web2:www', 'succeeded', 2],
      ['web3:www', 'succeeded', 2],
    ]);
    expect(report).toMatchObject({ outcome: 'succeeded', exitCode: 0, sessions: 3 });
    expect(report.files.copied).toBe(6);
    expect(report.bytes).toBe(18);
    expect(targetsOf(events, 'file').sort()).toEqual(
      ['web1:www', 'web2:www', 'web3:www'].flatMap((target) => [target, target, target]),
    );
    const plans = events.filter(({ event }) => event === 'plan');
    expect(plans).toHaveLength(4);
    expect(plans.at(-1)).toMatchObject({ copies: 6, mkdirs: 3, bytes: 18 });
    expect(plans.at(-1)?.target).toBeUndefined();
    for (const name of ['web1', 'web2', 'web3'])
      expect(readFileSync(scene.there(`${name}/www/b/c`), 'utf8')).toBe('two');
    // and there is nothing left to do
    expect((await scene.run()).report.files).toMatchObject({ copied: 0, unchanged: 6 });
  });

  test('one that is out of reach fails by itself; a further attempt runs only that one', async ({
    sshd,
    scene,
  }) => {
    scene.writeHere({ a: 'one' });
    await web(scene, sshd, { ...push, retry: { backoff: '1ms' } }, { down: true });
    const { code, report, events, stderr } = await scene.run('--attempts', '2');
    expect(code).toBe(4);
    expect(report).toMatchObject({ outcome: 'failed', attempt: 2, error: { kind: 'network' } });
    expect(report.error.message).toMatch(/^web3:www: /);
    expect(targets(report)).toEqual([
      ['web1:www', 'succeeded', 1],
      ['web2:www', 'succeeded', 1],
      ['web3:www', 'failed', 0],
    ]);
    expect(report.targets[2]).toMatchObject({ exitCode: 4, error: { kind: 'network' } });
    expect(targetsOf(events, 'file').sort()).toEqual(['web1:www', 'web2:www']);
    expect(existsSync(scene.there('web2/www/a'))).toBe(true);
    expect(stderr).toMatch(/error: job web3:www: /);
  });

  test('each has its own guard: one that refuses leaves the others alone', async ({
    sshd,
    scene,
  }) => {
    scene.writeHere({ a: 'one' });
    await web(scene, sshd, { ...mirror, delete: 1 });
    expect((await scene.run()).code).toBe(0);
    scene.writeThere({ 'web2/www/x': '1', 'web2/www/y': '2', 'web1/www/z': '3' });
    scene.writeHere({ b: 'two' });
    const { code, report } = await scene.run();
    expect(code).toBe(7);
    expect(targets(report)).toEqual([
      ['web1:www', 'succeeded', 1],
      ['web2:www', 'refused', 0],
      ['web3:www', 'succeeded', 1],
    ]);
    expect(report).toMatchObject({ outcome: 'refused', files: { deleted: 1 } });
    expect(existsSync(scene.there('web2/www/x'))).toBe(true);
    expect(existsSync(scene.there('web1/www/z'))).toBe(false);
    const { stderr } = await scene.cli(['run', 'job']);
    expect(stderr).toMatch(/would delete +web2:www: x/);
    expect(stderr).toMatch(/^ {2}target +outcome +copied +deleted +failed +time$/m);
    expect(stderr).toMatch(/^ {2}web2:www +refused +0 +0 +0 /m);
  });

  test('from a group: each in a folder of its name', async ({ sshd, scene }) => {
    await web(scene, sshd, { operation: 'mirror', from: 'web:logs', to: './logs/{remote}' });
    scene.writeThere({ 'web1/logs/l': '1', 'web2/logs/l': '2', 'web3/logs/l': '3' });
    mkdirSync(join(scene.cwd, 'logs'));
    const { code, report } = await scene.run();
    expect(code).toBe(0);
    expect(targets(report).map(([target]: string[]) => target)).toEqual([
      './logs/web1',
      './logs/web2',
      './logs/web3',
    ]);
    expect(readFileSync(join(scene.cwd, 'logs/web2/l'), 'utf8')).toBe('2');
  });

  test('from a group into one folder: nothing is replaced', async ({ sshd, scene }) => {
    const job = { operation: 'pull', from: 'web:logs', to: './data', existing: 'skip' };
    await web(scene, sshd, job);
    scene.writeThere({
      'web1/logs/same': 'first',
      'web2/logs/same': 'other!',
      'web3/logs/l3': '3',
    });
    const { code, report } = await scene.run();
    expect(code).toBe(0);
    expect(report.targets[1].target).toBe('web2:logs -> ./data');
    expect(readFileSync(scene.here('same'), 'utf8')).toBe('first');
    expect(readFileSync(scene.here('l3'), 'utf8')).toBe('3');
  });

  test('a sealed plan is carried out whole, or not at all', async ({ sshd, scene }) => {
    scene.writeHere({ a: 'one' });
    await web(scene, sshd, push);
    const made = await scene.cli(['plan', 'job', '--out', 'p.json', '--exit-code', '--json']);
    expect(made.code).toBe(10);
    const sealed = JSON.parse(readFileSync(join(scene.cwd, 'p.json'), 'utf8'));
    expect(sealed.digest).toBe(made.events.findLast(({ event }) => event === 'plan')?.digest);
    expect(sealed.targets.map((one: JsonEvent) => [one.target, one.copies.length])).toEqual([
      ['web1:www', 1],
      ['web2:www', 1],
      ['web3:www', 1],
    ]);
    // one target has changed since
    scene.writeThere({ 'web2/www/a': 'another' });
    const refused = await scene.cli(['apply', 'p.json', '--json']);
    expect(refused.code).toBe(7);
    expect(refused.events.at(-1)?.error.message).toMatch(/a side has changed since/);
    expect(existsSync(scene.there('web1/www/a'))).toBe(false);
    rmSync(scene.there('web2/www/a'));
    rmSync(scene.there('web2/www'), { recursive: true });
    const applied = await scene.cli(['apply', 'p.json', '--json']);
    expect(applied.code).toBe(0);
    expect(applied.events.at(-1)?.files.copied).toBe(3);
  });

  test('explain looks at each', async ({ sshd, scene }) => {
    scene.writeHere({ a: 'one' });
    await web(scene, sshd, push);
    expect((await scene.run()).code).toBe(0);
    rmSync(scene.there('web2/www/a'));
    const { events, code } = await scene.cli(['explain', 'job', 'a', '--json']);
    expect(code).toBe(0);
    expect(events.map(({ target, verdict }) => [target, verdict])).toEqual([
      ['web1:www', 'unchanged'],
      ['web2:www', 'copied'],
      ['web3:www', 'unchanged'],
    ]);
  });

  test('its time limit is that of the whole run', async ({ sshd, scene }) => {
    scene.writeHere({ a: 'x'.repeat(2_000_000) });
    await web(scene, sshd, { ...push, timeout: '1s', bandwidth: '100kB/s' });
    const { code, report } = await scene.run();
    expect(code).toBe(3);
    expect(targets(report).map(([, outcome]: string[]) => outcome)).toEqual(
      Array(3).fill('incomplete'),
    );
    expect(report.error.message).toMatch(/took longer than its timeout of 1 s/);
  });
});

describe('several jobs', () => {
  async function jobs(scene: Scene, sshd: Sshd): Promise<void> {
    const to = (name: string) => ({
      operation: 'push',
      from: './data',
      to: `archive:${scene.place}/${name}`,
    });
    await writeJobs(scene.cwd, {
      remotes: { archive: remoteIn(sshd), gone: remoteIn(sshd, { port: 1 }) },
      jobs: {
        'web-a': to('a'),
        'web-b': { ...to('b'), schedule: '0 2 * * *' },
        other: { ...to('c'), to: 'gone:c' },
      },
    });
    scene.writeHere({ f: 'one' });
  }

  test('by a pattern, with one table', async ({ sshd, scene }) => {
    await jobs(scene, sshd);
    const { code, stderr } = await scene.cli(['run', 'web-*', 'web-a']);
    expect(code).toBe(0);
    expect(stderr).toMatch(/^job +outcome +copied +deleted +failed +time$/m);
    expect(stderr).toMatch(/^web-a +succeeded +1 +0 +0 /m);
    expect(stderr).toMatch(/^web-b +succeeded +1 +0 +0 /m);
    expect(stderr).not.toContain('other');
    expect(existsSync(scene.there('b/f'))).toBe(true);
  });

  test('--all: the exit code by rank, whatever its place', async ({ sshd, scene }) => {
    await jobs(scene, sshd);
    const { code, events } = await scene.cli(['run', '--all', '--json']);
    expect(code).toBe(4);
    const ends = events.filter(({ event }) => event === 'run');
    expect(ends.map(({ job, exitCode }) => [job, exitCode])).toEqual([
      ['web-a', 0],
      ['web-b', 0],
      ['other', 4],
    ]);
  });

  test('plan: one table; 10 when one of them has something to do', async ({ sshd, scene }) => {
    await jobs(scene, sshd);
    expect((await scene.cli(['run', 'web-a'])).code).toBe(0);
    const { code, stderr } = await scene.cli(['plan', 'web-?', '--exit-code']);
    expect(code).toBe(10);
    expect(stderr).toMatch(/^job +outcome +to copy +to delete +conflicts +time$/m);
    expect(stderr).toMatch(/^web-a +succeeded +0 +0 +0 /m);
    expect(stderr).toMatch(/^web-b +succeeded +1 +0 +0 /m);
    expect((await scene.cli(['plan', '--all', '--exit-code'])).code).toBe(4);
    expect(await scene.cli(['plan', '--all', '--out', 'p'])).toMatchObject({ code: 2 });
  });

  test('what matches nothing is 2, with the jobs', async ({ sshd, scene }) => {
    await jobs(scene, sshd);
    for (const verb of ['run', 'plan', 'next']) {
      const { code, stderr } = await scene.cli([verb, 'web-a', 'db-*']);
      expect(code).toBe(2);
      expect(stderr).toMatch(/no job matches "db-\*" in .*jobs\.yml/);
      expect(stderr).toContain('its jobs are web-a, web-b, other');
    }
    expect(existsSync(scene.there('a/f'))).toBe(false);
    expect((await scene.cli(['run', '--all', 'web-a'])).stderr).toContain('either names or --all');
    expect((await scene.cli(['run'])).stderr).toContain('run needs the name of a job');
  });

  test('next takes several', async ({ sshd, scene }) => {
    await jobs(scene, sshd);
    const { events } = await scene.cli(['next', 'web-*', '--json']);
    expect(events.map(({ job, slots }) => [job, slots.length])).toEqual([
      ['web-a', 0],
      ['web-b', 5],
    ]);
  });

  test('a flag counts for those that were named, over files of jobs.d too', async ({
    sshd,
    scene,
  }) => {
    await jobs(scene, sshd);
    mkdirSync(join(scene.cwd, 'jobs.d'));
    const job = `{ operation: push, from: ./data, to: "archive:${scene.place}/d" }`;
    writeFileSync(join(scene.cwd, 'jobs.d/d.yml'), `jobs:\n  web-d: ${job}\n`);
    const { code } = await scene.cli(['run', 'web-*', '--exclude', 'f']);
    expect(code).toBe(0);
    expect(existsSync(scene.there('d/f'))).toBe(false);
  });
});
