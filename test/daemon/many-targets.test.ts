/** Runs of the queue with several targets, and requests for several jobs. */
import { existsSync, readFileSync } from 'node:fs';
import { expect } from 'vitest';
import { test as base, forFile, started } from '../kit/base.js';
import { type JsonEvent, writeJobs } from '../kit/daemons/cli.js';
import { eventually, startDaemon } from '../kit/daemons/daemon.js';
import { remoteIn } from '../kit/scene.js';
import { startSshd } from '../kit/servers/sshd.js';

const test = base.extend(
  'bastion',
  forFile,
  started(() => startSshd()),
);

const names = ['web1', 'web2', 'web3', 'web4', 'web5', 'web6'];

test('a target that fails is tried again by itself', async ({ sshd, redis, scene }) => {
  scene.writeHere({ a: 'one' });
  await writeJobs(scene.cwd, {
    remotes: { web1: remoteIn(sshd), web2: remoteIn(sshd, { port: 1 }) },
    groups: { web: ['web1', 'web2'] },
    jobs: {
      job: {
        operation: 'push',
        from: './data',
        to: `web:${scene.place}/{remote}`,
        retry: { attempts: 3, backoff: '1ms' },
      },
    },
  });
  const daemon = await startDaemon(scene, { env: { FERRYLINE_QUEUE: `${redis.url}/4` } });
  const { code, events } = await scene.cli(['enqueue', 'job', '--wait', '--json']);
  expect(code).toBe(4);
  const report = events.at(-1) as JsonEvent;
  expect(report).toMatchObject({ outcome: 'failed', attempt: 3 });
  expect(report.targets.map((one: JsonEvent) => [one.outcome, one.files.copied])).toEqual([
    ['succeeded', 1],
    ['failed', 0],
  ]);
  const log = await scene.cli(['logs', report.run, '--json']);
  const of = (event: string) => log.events.filter((one) => one.event === event);
  expect(of('plan').map(({ target }) => target)).toEqual([`web1:${scene.place}/web1`]);
  expect(of('run')).toHaveLength(3);
  expect(await daemon.stop()).toBe(0);
  // written in time, not at once
  const transfers = readFileSync(`${scene.cwd}/.state/transfers.log`, 'utf8');
  expect(JSON.parse(transfers)).toMatchObject({ remote: 'web1', target: of('plan')[0]?.target });
}, 60_000);

test('six targets behind a jump host that allows two logins', async ({
  sshd,
  bastion,
  redis,
  scene,
}) => {
  scene.writeHere({ a: 'one' });
  const remotes = names.map((name) => [name, remoteIn(sshd, { jump: 'bastion' })]);
  await writeJobs(scene.cwd, {
    remotes: { ...Object.fromEntries(remotes), bastion: remoteIn(bastion, { maxSessions: 2 }) },
    groups: { web: names },
    jobs: {
      job: {
        operation: 'mirror',
        from: './data',
        to: `web:${scene.place}/{remote}`,
        retry: { attempts: 1 },
      },
    },
  });
  const daemon = await startDaemon(scene, {
    env: { FERRYLINE_QUEUE: `${redis.url}/5` },
    args: ['--concurrency', '1'],
  });
  const { code, events } = await scene.cli(['enqueue', 'job', '--wait', '--json']);
  expect([code, events.at(-1)?.outcome]).toEqual([0, 'succeeded']);
  for (const name of names) expect(existsSync(scene.there(`${name}/a`))).toBe(true);
  expect(await daemon.stop()).toBe(0);
}, 60_000);

test('a change in a watched folder reaches every target', async ({ sshd, redis, scene }) => {
  scene.writeHere({ a: 'one' });
  await writeJobs(scene.cwd, {
    remotes: { web1: remoteIn(sshd), web2: remoteIn(sshd) },
    jobs: {
      job: {
        operation: 'push',
        from: './data',
        to: [`web1:${scene.place}/1`, `web2:${scene.place}/2`],
        watch: true,
        settle: '50ms',
      },
    },
  });
  const daemon = await startDaemon(scene, { env: { FERRYLINE_QUEUE: `${redis.url}/6` } });
  const reached = (name: string) =>
    eventually(() => ['1', '2'].every((place) => existsSync(scene.there(`${place}/${name}`))));
  await reached('a');
  scene.writeHere({ 'sub/b': 'two' });
  await reached('sub/b');
  expect(await daemon.stop()).toBe(0);
}, 60_000);

test('enqueue takes patterns and --all, with one table; what matches nothing is 2', async ({
  sshd,
  redis,
  scene,
}) => {
  scene.writeHere({ a: 'one' });
  const job = (to: string) => ({ operation: 'push', from: './data', to });
  await writeJobs(scene.cwd, {
    remotes: { archive: remoteIn(sshd), gone: remoteIn(sshd, { port: 1 }) },
    jobs: {
      'web-a': job(`archive:${scene.place}/a`),
      'web-b': job(`archive:${scene.place}/b`),
      other: { ...job('gone:c'), retry: { attempts: 1 } },
    },
  });
  const daemon = await startDaemon(scene, { env: { FERRYLINE_QUEUE: `${redis.url}/7` } });
  const both = await scene.cli(['enqueue', 'web-*', '--wait']);
  expect(both.code).toBe(0);
  expect(both.stderr).toMatch(/^web-a +succeeded +1 .*\nweb-b +succeeded +1 /m);
  expect((await scene.cli(['enqueue', '--all', '--wait'])).code).toBe(4);
  const none = await scene.cli(['enqueue', 'web-a', 'db-*']);
  expect(none.code).toBe(2);
  expect(none.stderr).toMatch(/no job matches "db-\*"\n.*the jobs are web-a, web-b, other/);
  expect(await daemon.stop()).toBe(0);
}, 60_000);
