/** Runs that wait for a worker that nobody is, and runs that the worker which took them can't do. */
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { test } from '../kit/base.js';
import { writeJobs } from '../kit/daemons/cli.js';
import { eventually } from '../kit/daemons/daemon.js';
import { type NamedDaemon, startDaemonNamed } from '../kit/daemons/named-daemon.js';
import { remoteIn } from '../kit/scene.js';
import type { Redis } from '../kit/servers/redis.js';
import { sharedStores, storeForTest } from '../kit/servers/stores.js';

test('a run moves when jobs.yml no longer asks for its worker, over a reload and over a restart', async ({
  sshd,
  redis,
  scene,
}) => {
  scene.writeHere({ a: 'one' });
  await scene.jobs({ operation: 'push', worker: 'web-1' });
  const queue = redis.database();
  const first = await startDaemonNamed(scene, 'only', queue);
  const run = await first.enqueue();
  await scene.jobs({ operation: 'push' });
  await first.said(/its run waits for any worker now/);
  expect(await first.endOf(run)).toMatchObject({ outcome: 'succeeded' });

  await scene.jobs({ operation: 'push', worker: 'web-1' });
  await first.said(/jobs\.yml was reloaded[\s\S]*jobs\.yml was reloaded/);
  const waiting = await first.enqueue();
  await first.stop();
  await scene.jobs({ operation: 'push' });
  const second = await startDaemonNamed(scene, 'only', queue);
  expect(await second.endOf(waiting)).toMatchObject({ outcome: 'succeeded' });

  await scene.jobs({ operation: 'push', worker: 'web-1' });
  await second.said(/jobs\.yml was reloaded/);
  const gone = await second.enqueue();
  await writeJobs(scene.cwd, {
    remotes: { archive: remoteIn(sshd) },
    jobs: { other: { operation: 'push', from: './data', to: `archive:${scene.place}/other` } },
  });
  expect(await second.endOf(gone)).toMatchObject({ outcome: 'cancelled' });
  expect(second.stderr()).toMatch(/the job is gone, and no process is worker web-1/);
  expect((await second.runs()).map((view) => view.run).sort()).toEqual([run, waiting, gone].sort());
  await second.stop();
}, 90_000);

test('a worker without the job, or without its folder, gives a run back to one that can do it; alone it ends it', async ({
  sshd,
  redis,
  scene,
}) => {
  scene.writeHere({ a: 'one' });
  const jobs = (from: string, name = 'job') =>
    writeJobs(scene.cwd, {
      remotes: { archive: remoteIn(sshd) },
      jobs: { [name]: { operation: 'push', from, to: `archive:${scene.place}/x` } },
    });
  const other = join(scene.cwd, 'other.yml');
  await jobs('./elsewhere');
  copyFileSync(join(scene.cwd, 'jobs.yml'), other);
  const queue = redis.database();
  const without = await startDaemonNamed(scene, 'without', queue, { config: other });
  const alone = await without.enqueue();
  expect(await without.endOf(alone)).toMatchObject({ outcome: 'refused' });
  await jobs('./data');
  const front = await startDaemonNamed(scene, 'front', queue, { args: ['--roles', 'api'] });
  // As long as the worker that can do it is not known, the other one is the only one.
  const able = await startDaemonNamed(scene, 'able', queue, { args: ['--roles', 'worker'] });
  while (!/gives its run back/.test(without.stderr())) {
    const run = await front.enqueue();
    expect(await front.endOf(run)).toMatchObject({ outcome: 'succeeded' });
  }
  expect(without.stderr()).toMatch(/gives its run back for another worker: it has no folder/);
  await jobs('./data', 'fresh');
  await able.said(/jobs\.yml was reloaded/);
  await front.said(/jobs\.yml was reloaded/);
  await eventually(async () => {
    const run = await front.enqueue('fresh');
    expect(await front.endOf(run)).toMatchObject({ outcome: 'succeeded' });
    return /its jobs\.yml has no job fresh/.test(without.stderr());
  });
  await Promise.all([without.stop(), front.stop(), able.stop()]);
}, 120_000);

test('two installations on one queue: each is named to the other, and their runs end where they belong', async ({
  sshd,
  redis,
  scene,
}) => {
  scene.writeHere({ a: 'one' });
  const queue = redis.database();
  const daemons = [];
  for (const name of ['prod', 'trial']) {
    await writeJobs(scene.cwd, {
      remotes: { archive: remoteIn(sshd) },
      jobs: { [name]: { operation: 'push', from: './data', to: `archive:${scene.place}/${name}` } },
    });
    const config = join(scene.cwd, `${name}.yml`);
    copyFileSync(join(scene.cwd, 'jobs.yml'), config);
    daemons.push(await startDaemonNamed(scene, name, queue, { config }));
  }
  const [prod, trial] = daemons as [NamedDaemon, NamedDaemon];
  await trial.said(/2 installations share the queue/);
  const status = await prod.cli(['status', '--json']);
  const named = [prod, trial].map(({ pid }) => `process ${pid}`).join('|');
  expect(status.events[0]?.warnings[0]).toMatch(
    new RegExp(`2 installations share the queue.*(${named}).*(${named})`),
  );
  for (const [daemon, job] of [
    [prod, 'prod'],
    [trial, 'trial'],
  ] as const)
    for (const run of [await daemon.enqueue(job), await daemon.enqueue(job)])
      expect(await daemon.endOf(run)).toMatchObject({ job, outcome: 'succeeded' });
  await Promise.all([prod.stop(), trial.stop()]);
}, 90_000);

for (const [kind, start] of sharedStores)
  test(`two installations with names of their own share a ${kind}, with a job of the same name`, async ({
    sshd,
    scene,
  }) => {
    scene.writeHere({ a: 'one' });
    const store = await storeForTest(start);
    const daemons = [];
    for (const name of ['ferryline', 'trial']) {
      await writeJobs(scene.cwd, {
        name,
        remotes: { archive: { ...remoteIn(sshd), maxSessions: 1 } },
        jobs: { job: { operation: 'push', from: './data', to: `archive:${scene.place}/${name}` } },
      });
      const config = join(scene.cwd, `${name}.yml`);
      copyFileSync(join(scene.cwd, 'jobs.yml'), config);
      daemons.push(await startDaemonNamed(scene, name, store.url, { config }));
    }
    const [ours, trial] = daemons as [NamedDaemon, NamedDaemon];
    // The other one's pause is not theirs.
    expect((await trial.cli(['pause', 'job'])).code).toBe(0);
    for (const run of [await ours.enqueue(), await ours.enqueue()])
      expect(await ours.endOf(run)).toMatchObject({ outcome: 'succeeded' });
    expect(await trial.runs()).toEqual([]);
    expect((await trial.cli(['resume', 'job'])).code).toBe(0);
    expect(await trial.endOf(await trial.enqueue())).toMatchObject({ outcome: 'succeeded' });
    for (const daemon of daemons) {
      expect((await daemon.cli(['status', '--json'])).events[0]).not.toHaveProperty('warnings');
      expect(daemon.stderr()).not.toMatch(/installations share the queue/);
    }
    if (!('database' in store)) return;
    const keys = await (store as Redis).command('--raw', 'keys', '*');
    const names = new Set(
      keys
        .trim()
        .split('\n')
        .map((key) => /^bull:(\w+)-/.exec(key)?.[1]),
    );
    expect([...names].sort()).toEqual(['ferryline', 'trial']);
  }, 90_000);
