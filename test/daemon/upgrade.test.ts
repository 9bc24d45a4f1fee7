/** Another build of ferryline on the same store. The commits are in ../upgrade.json; they are built here. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Queue } from 'bullmq';
import { expect, onTestFinished } from 'vitest';
import { payloadVersion, plannedVersion } from '../../src/core/payload.js';
import { newRunId } from '../../src/core/run-id.js';
import { test as base, forFile } from '../kit/base.js';
import { buildOf } from '../kit/daemons/build-of.js';
import { startFerryline, writeJobs } from '../kit/daemons/cli.js';
import { eventually } from '../kit/daemons/daemon.js';
import { namedDaemonEnv, startDaemonNamed } from '../kit/daemons/named-daemon.js';
import { remoteIn } from '../kit/scene.js';
import { sharedStores, storeForTest } from '../kit/servers/stores.js';

const commits: Record<'withoutMark' | 'sameLayout', string> = JSON.parse(
  readFileSync(join(import.meta.dirname, '../upgrade.json'), 'utf8'),
);

const test = base
  .extend('withoutMark', forFile, () => buildOf(commits.withoutMark))
  .extend('sameLayout', forFile, () => buildOf(commits.sameLayout));

const [redisStore, postgresStore] = sharedStores as [
  (typeof sharedStores)[0],
  (typeof sharedStores)[0],
];

test.for(sharedStores)(
  'beside a build that knows no layouts the new one stops, and says how to change over; then it takes over what waits: %s',
  { timeout: 120_000 },
  async ([, start], { scene, withoutMark }) => {
    const { url } = await storeForTest(start);
    scene.writeHere({ a: 'one' });
    await scene.jobs({ worker: 'later' });
    const options = { args: ['--worker', 'earlier'], program: withoutMark };
    const old = await startDaemonNamed(scene, 'old', url, options);
    const run = await old.enqueue();
    const refused = await scene.cli(['start'], { env: namedDaemonEnv(scene, 'new', url) });
    expect(refused.code).toBe(8);
    expect(refused.stderr).toMatch(
      /1 process of an earlier version of ferryline still uses the queue.*; its layout is 1, and this version makes it 2/,
    );
    expect(refused.stderr).toContain('stop every daemon of the earlier version, then start this');
    // A run by hand would not see the other's runs, either.
    const byHand = startFerryline(['run', 'job'], {
      cwd: scene.cwd,
      env: namedDaemonEnv(scene, 'hand', url),
    });
    expect((await byHand.ended).code).toBe(8);
    expect(await old.stop()).toBe(0);

    const now = await startDaemonNamed(scene, 'new', url, { args: ['--worker', 'later'] });
    expect(await now.endOf(run)).toMatchObject({ outcome: 'succeeded' });
    const warnings = async () => (await now.cli(['status', '--json'])).events[0]?.warnings;
    expect(await warnings()).toBeUndefined();
    // One that is started again by mistake cannot know better, but is seen.
    const again = await startDaemonNamed(scene, 'old', url, options);
    expect(await warnings()).toEqual([
      expect.stringContaining('an earlier version of ferryline uses the queue as well'),
    ]);
    await again.stop();
    await eventually(async () => (await warnings()) === undefined);
    await now.stop();
  },
);

test('requests and slots that only a newer build can read are left to one, told once, and never fail', async ({
  redis,
  scene,
}) => {
  scene.writeHere({ a: 'one' });
  await scene.jobs({ retry: { attempts: 1 } });
  const url = redis.database();
  const daemon = await startDaemonNamed(scene, 'only', url);
  const queue = new Queue('ferryline-runs', { connection: { url } });
  onTestFinished(() => queue.close());
  const request = { job: 'job', trigger: 'manual', v: plannedVersion + 1 };
  const add = (run = newRunId(Date.now())) =>
    queue.add('run', { ...request, run }, { jobId: run, backoff: { type: 'ferryline' } });
  const [first, second] = [await add(), await add()];
  await daemon.said(/job: run [\w-]+ was requested by a newer version of ferryline, and is left/);
  await eventually(async () => (await queue.getDelayedCount()) === 2);
  expect(daemon.stderr().match(/newer version/g)).toHaveLength(1);
  expect((await daemon.runs()).map(({ state }) => state)).toEqual(['delayed', 'delayed']);
  const slots = new Queue('ferryline-slots', { connection: { url } });
  onTestFinished(() => slots.close());
  const slot = { job: 'job', slot: Date.UTC(2026, 0, 1, 2), how: 'due', v: plannedVersion + 1 };
  const third = await slots.add('slot', slot, { jobId: 'job.20260101T020000Z' });
  await eventually(async () => (await slots.getDelayedCount()) === 1);
  // What this build asks for itself runs meanwhile; the others begin once somebody can read them.
  expect(await daemon.endOf(await daemon.enqueue())).toMatchObject({ outcome: 'succeeded' });
  for (const entry of [first, second]) {
    await entry.updateData({ ...request, run: entry.id, v: payloadVersion });
    expect(await daemon.endOf(entry.id ?? '')).toMatchObject({ outcome: 'succeeded' });
  }
  await third.updateData({ ...slot, v: payloadVersion });
  await eventually(async () =>
    (await daemon.runs()).some((one) => one.slot === '2026-01-01T02:00:00.000Z'),
  );
  await daemon.stop();
}, 120_000);

// An upgrade, in which the older build ends, and a step back, in which the newer one does.
test.for([
  [...redisStore, 'older'],
  [...postgresStore, 'newer'],
] as const)(
  'two builds of one layout side by side: runs in flight go over to the other when one ends, and none is lost: %s',
  { timeout: 120_000 },
  async ([, start, ends], { sshd, scene, sameLayout }) => {
    const { url } = await storeForTest(start);
    const names = ['one', 'two', 'three', 'four'];
    const job = (name: string) => ({
      ...{ operation: 'push', from: './data', to: `archive:${scene.place}/${name}` },
    });
    await writeJobs(scene.cwd, {
      remotes: { archive: remoteIn(sshd, { bandwidth: '32KiB/s', maxSessions: 4 }) },
      jobs: Object.fromEntries(names.map((name) => [name, job(name)])),
    });
    scene.writeHere({ a: 'x'.repeat(32_000) });
    const [older, newer] = await Promise.all([
      startDaemonNamed(scene, 'older', url, { program: sameLayout }),
      startDaemonNamed(scene, 'newer', url),
    ]);
    const [leaves, stays] = ends === 'older' ? [older, newer] : [newer, older];
    const runs = await Promise.all(
      names.map((name, n) => (n % 2 === 0 ? leaves : stays).enqueue(name)),
    );
    await eventually(() => names.some((name) => existsSync(scene.there(name))));
    expect(await leaves.stop()).toBe(0);
    for (const run of runs) expect(await stays.endOf(run)).toMatchObject({ outcome: 'succeeded' });
    expect((await stays.runs()).map(({ run }) => run).toSorted()).toEqual(runs.toSorted());
    for (const name of names)
      expect(readFileSync(scene.there(`${name}/a`), 'utf8')).toBe('x'.repeat(32_000));
    await stays.stop();
  },
);
