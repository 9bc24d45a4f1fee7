/** jobs.yml changes under a running daemon: a valid one is taken, an invalid one is reported and changes nothing. */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { stringify } from 'yaml';
import { test } from '../kit/base.js';
import { writeJobs } from '../kit/daemons/cli.js';
import { eventually, startDaemon } from '../kit/daemons/daemon.js';
import { startDaemonNamed } from '../kit/daemons/named-daemon.js';
import { remoteIn } from '../kit/scene.js';
import { startProxy } from '../kit/servers/proxy.js';
import { startRedis } from '../kit/servers/redis.js';

const bomb = `a: &a [x,x,x,x,x,x,x,x,x]\n${[...'bcdefgh']
  .map((name, n) => `${name}: &${name} [${Array(9).fill(`*${'abcdefgh'[n]}`).join(',')}]`)
  .join('\n')}\n`;

test('jobs come, go and change; an invalid file keeps the one before, and both log and status say so', async ({
  sshd,
  redis,
  scene,
}) => {
  const env = { FERRYLINE_QUEUE: `${redis.url}/1`, TZ: 'Asia/Tokyo' };
  mkdirSync(scene.here(), { recursive: true });
  const job = { operation: 'push', from: './data', to: `archive:${scene.place}/first` };
  const jobs = (all: object, remote = {}) =>
    writeJobs(scene.cwd, { remotes: { archive: remoteIn(sshd, remote) }, jobs: all });
  await jobs({ first: job });
  const daemon = await startDaemon(scene, { env });
  const status = async () => (await scene.cli(['status', '--json'])).events[0];
  const names = async () => (await status())?.jobs.map((one: { job: string }) => one.job);

  // SIGHUP is taken at once; without it the file's change is seen within seconds.
  for (const invalid of [bomb, 'jobs: {first: {operation: fly}}', 'jobs: [', '']) {
    await writeJobs(scene.cwd, invalid);
    process.kill(daemon.pid, 'SIGHUP');
    await eventually(async () => (await status())?.config.error !== undefined);
    expect(await names()).toEqual(['first']);
    expect((await scene.cli(['next'])).code).toBe(2);
    await jobs({ first: job });
    process.kill(daemon.pid, 'SIGHUP');
    await eventually(async () => (await status())?.config.error === undefined);
  }
  expect(daemon.stderr()).toContain('is invalid, the previous one stays in use');

  await jobs({ first: { ...job, schedule: '0 3 * * *' }, second: job });
  await eventually(async () => (await names())?.length === 2);
  expect((await status())?.jobs[0].nextSlot).toMatch(/T18:00:00/);
  // the daemon's zone shows who answers: the daemon while it does, and for the files that it has read
  const next = async (...names: string[]) =>
    (await scene.cli(['next', ...names], { env: { TZ: 'America/Lima' } })).stdout.split('\n')[0];
  expect([await next(), await next('second'), await next('f*')]).toEqual([
    'first: Asia/Tokyo',
    'second: no schedule',
    'first: America/Lima',
  ]);
  process.kill(daemon.pid, 'SIGSTOP');
  expect(await next('first')).toBe('first: America/Lima');
  await jobs({ later: { ...job, schedule: '0 4 * * *' } });
  process.kill(daemon.pid, 'SIGCONT');
  expect(await next()).toMatch(/^later: /);
  await jobs({ second: { ...job, schedule: '* * * * * *', to: `archive:${scene.place}/second` } });
  process.kill(daemon.pid, 'SIGHUP');
  scene.writeHere({ a: 'one' });
  await eventually(() => existsSync(scene.there('second/a')));
  expect(await names()).toEqual(['second']);

  const watched = { ...job, to: `archive:${scene.place}/third`, watch: true, settle: '100ms' };
  await jobs({ third: watched });
  process.kill(daemon.pid, 'SIGHUP');
  await eventually(() => existsSync(scene.there('third/a')));
  // the runs of a job that is gone are shown as before, also by an index that is made again
  rmSync(join(scene.cwd, '.state/runs.index'));
  const runs = await scene.cli(['runs', 'second', '--json']);
  expect(runs.events[0]).toMatchObject({ job: 'second', trigger: 'schedule', state: 'ended' });
  expect((await scene.cli(['logs', 'second'])).stdout).toContain('second');
  expect((await scene.cli(['runs', 'first'])).stderr).toContain('there is no job "first"');
  mkdirSync(join(scene.cwd, 'other'));
  await jobs({ third: { ...watched, from: './other' } });
  process.kill(daemon.pid, 'SIGHUP');
  await eventually(async () => (await scene.cli(['status'])).stdout.includes('watching'));
  await daemon.said(/watches \.\/other/);
  writeFileSync(join(scene.cwd, 'other/b'), 'from the other folder');
  await eventually(() => existsSync(scene.there('third/b')));
  expect(await daemon.stop()).toBe(0);
}, 90_000);

test('a remote that moves: the session to the old place ends, the next run goes to the new one', async ({
  sshd,
  redis,
  scene,
}) => {
  const proxy = await startProxy(sshd.port);
  scene.writeHere({ a: 'one' });
  const env = { FERRYLINE_QUEUE: `${redis.url}/2` };
  await scene.jobs({}, { port: proxy.port, hostKey: sshd.hostKeyFingerprint });
  const daemon = await startDaemon(scene, { env });
  expect((await scene.cli(['enqueue', 'job', '--wait'])).code).toBe(0);
  expect(proxy.open()).toBe(1);
  await scene.jobs({}, { hostKey: sshd.hostKeyFingerprint });
  process.kill(daemon.pid, 'SIGHUP');
  await eventually(() => proxy.open() === 0);
  expect((await scene.cli(['enqueue', 'job', '--wait'])).code).toBe(0);
  expect(proxy.connections()).toBe(1);
  expect(await daemon.stop()).toBe(0);
  await proxy.stop();
}, 60_000);

test('a run that waits while jobs.yml changes goes by what holds when it begins; one whose job is gone is cancelled', async ({
  sshd,
  scene,
}) => {
  scene.writeHere({ 'slow/file': Buffer.alloc(40_000_000), 'quick/file': 'x' });
  const job = (name: string, to = name) => ({
    operation: 'push',
    from: `./data/${name}`,
    to: `${name === 'slow' ? 'limited' : 'archive'}:${scene.place}/${to}`,
  });
  const remotes = {
    archive: remoteIn(sshd),
    limited: remoteIn(sshd, { bandwidth: '10KiB/s' }),
  };
  const slow = job('slow');
  const turns = job('slow', 'turns');
  const before = { slow, turns, moves: job('quick', 'old'), goes: slow };
  await writeJobs(scene.cwd, { remotes, jobs: before });
  const args = ['--concurrency', '2'];
  const daemon = await startDaemonNamed(scene, 'only', 'embedded', { args });
  const active = await daemon.enqueue('turns');
  await eventually(() => existsSync(scene.there('turns')));
  // The worker has had it in hand, and gave it back.
  const turned = await daemon.enqueue('turns');
  await eventually(async () => (await daemon.runs('turns'))[0]?.waitsFor === 'job-turns');
  const first = await daemon.enqueue('slow');
  await eventually(() => existsSync(scene.there('slow')));
  const [moves, goes] = [await daemon.enqueue('moves'), await daemon.enqueue('goes')];
  const after = { slow, turns: job('quick', 'turned'), moves: job('quick', 'new') };
  await writeJobs(scene.cwd, { remotes, jobs: after });
  process.kill(daemon.pid, 'SIGHUP');
  await daemon.said(/jobs\.yml was reloaded/);
  for (const run of [first, active]) expect((await daemon.cli(['cancel', run])).code).toBe(0);
  expect(await daemon.endOf(turned)).toMatchObject({ outcome: 'succeeded' });
  expect(existsSync(scene.there('turned/file'))).toBe(true);
  expect(await daemon.endOf(moves)).toMatchObject({ outcome: 'succeeded' });
  expect([existsSync(scene.there('new/file')), existsSync(scene.there('old'))]).toEqual([
    true,
    false,
  ]);
  expect(await daemon.endOf(goes)).toMatchObject({
    outcome: 'cancelled',
    report: { error: { message: 'job goes is no longer in jobs.yml' } },
  });
  expect(await daemon.stop()).toBe(0);
}, 90_000);

test('a reload while the queue is out of reach is no invalid file, and is made up for', async ({
  sshd,
  scene,
}) => {
  const own = await startRedis();
  scene.writeHere({ a: 'one' });
  const daemon = await startDaemon(scene, { env: { FERRYLINE_QUEUE: own.url } });
  await own.kill9();
  const reload = async (more: object, said: RegExp) => {
    const job = { operation: 'push', from: './data', to: `archive:${scene.place}` };
    const jobs = { job: { ...job, schedule: '* * * * * *' }, ...more };
    await writeJobs(scene.cwd, { remotes: { archive: remoteIn(sshd) }, jobs });
    process.kill(daemon.pid, 'SIGHUP');
    await daemon.said(said);
  };
  // a schedule needs nothing of the queue, a worker's name has a queue of its own
  await reload({}, /jobs\.yml was reloaded"/);
  const named = { operation: 'push', from: './data', to: 'archive:other', worker: 'web-1' };
  await reload({ named }, /its schedules take effect once/);
  expect(daemon.stderr()).not.toContain('is invalid');
  await own.restart();
  await eventually(() => existsSync(scene.there('a')));
  expect(await daemon.stop()).toBe(0);
  await own.stop();
}, 90_000);

test('files of jobs.d come, go and change; an invalid one keeps what was there', async ({
  sshd,
  redis,
  scene,
}) => {
  const env = { FERRYLINE_QUEUE: `${redis.url}/3` };
  const file = (name: string) => join(scene.cwd, 'jobs.d', name);
  const jobs = (...names: string[]) => {
    const job = { operation: 'push', from: './data' };
    const each = names.map((name) => [name, { ...job, to: `archive:${scene.place}/${name}` }]);
    return stringify({ jobs: Object.fromEntries(each) });
  };
  await writeJobs(scene.cwd, { remotes: { archive: remoteIn(sshd) } });
  const daemon = await startDaemon(scene, { env });
  const status = async () => (await scene.cli(['status', '--json'])).events[0];
  const names = async () =>
    (await status())?.jobs.map((one: { job: string }) => one.job).join() as string;

  // without a signal: the change is seen within seconds
  mkdirSync(join(scene.cwd, 'jobs.d'));
  writeFileSync(file('b.yml'), jobs('b'));
  await eventually(async () => (await names()) === 'b');
  writeFileSync(file('a.yml'), jobs('a1', 'a2'));
  await eventually(async () => (await names()) === 'a1,a2,b');
  writeFileSync(file('a.yml'), jobs('a1'));
  await eventually(async () => (await names()) === 'a1,b');

  writeFileSync(file('c.yml'), jobs('c', 'b'));
  await eventually(async () => (await status())?.config.error !== undefined);
  expect((await status())?.config.error).toMatch(
    /^jobs\.d\/c\.yml:6:3 jobs\.b: is in jobs\.d\/b\.yml:2:3 too/,
  );
  expect(await names()).toBe('a1,b');
  rmSync(file('b.yml'));
  await eventually(async () => (await names()) === 'a1,c,b');
  expect((await status())?.config.error).toBeUndefined();

  // hundreds of jobs are read in a thread, and mean the same
  const many = Array.from({ length: 600 }, (_, n) => `m${n}`);
  writeFileSync(file('d.yml'), jobs(...many));
  await eventually(async () => (await names()) === ['a1', 'c', 'b', ...many].join());
  scene.writeHere({ f: 'one' });
  expect((await scene.cli(['enqueue', 'm599', '--wait'])).code).toBe(0);
  expect(readFileSync(scene.there('m599/f'), 'utf8')).toBe('one');
  writeFileSync(file('e.yml'), jobs('m7'));
  await eventually(async () => (await status())?.config.error !== undefined);
  expect((await status())?.config.error).toMatch(
    /^jobs\.d\/e\.yml:2:3 jobs\.m7: is in jobs\.d\/d\.yml:30:3 too/,
  );
  expect(await daemon.stop()).toBe(0);
}, 90_000);
