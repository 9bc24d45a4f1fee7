/** Cancelled runs: in the middle of a large file, waiting in the queue or for their turn, and in the hands of another process. */
import { readdirSync, statSync } from 'node:fs';
import { expect } from 'vitest';
import { test } from '../kit/base.js';
import { writeJobs } from '../kit/daemons/cli.js';
import { eventually } from '../kit/daemons/daemon.js';
import {
  type AwaitedRun,
  type NamedDaemon,
  startDaemonNamed,
} from '../kit/daemons/named-daemon.js';
import { openScene, remoteIn, type Scene } from '../kit/scene.js';
import type { Redis } from '../kit/servers/redis.js';
import type { Sshd } from '../kit/servers/sshd.js';

/** Job `big` would take an hour; so would `other`. */
async function openJobs(sshd: Sshd): Promise<Scene> {
  const scene = await openScene(sshd);
  scene.writeHere({ 'big/file': Buffer.alloc(40_000_000), 'other/file': Buffer.alloc(40_000_000) });
  const job = (name: string) => ({
    operation: 'push',
    from: `./data/${name}`,
    to: `archive:${scene.place}/${name}`,
  });
  await writeJobs(scene.cwd, {
    remotes: { archive: remoteIn(sshd, { bandwidth: '10KiB/s' }) },
    jobs: { big: job('big'), other: job('other') },
  });
  return scene;
}

/** Bytes of a job's temporary file. */
function written(scene: Scene, job: string): number {
  try {
    const [name] = readdirSync(scene.there(job));
    return name === undefined ? 0 : statSync(scene.there(`${job}/${name}`)).size;
  } catch {
    return 0;
  }
}

/** Resolves when a job's file is being written. */
const begun = (scene: Scene, job: string) => eventually(() => written(scene, job) > 0);

/** Cancels a run; resolves to what the command printed. */
async function cancel(daemon: NamedDaemon, { run }: AwaitedRun): Promise<string> {
  const { code, stderr } = await daemon.cli(['cancel', run]);
  expect(code).toBe(0);
  return stderr;
}

/** Waits until the waiting command ends, reporting that the run was cancelled. */
async function endsCancelled({ ended }: AwaitedRun): Promise<void> {
  const { code, events } = await ended;
  expect([code, events.at(-1)]).toMatchObject([
    130,
    { event: 'run', outcome: 'cancelled', exitCode: 130 },
  ]);
}

/** Starts one process that answers commands and one that works, which runs `big`. */
async function openTwo(sshd: Sshd, redis: Redis) {
  const queue = redis.database();
  const scene = await openJobs(sshd);
  const start = (name: string, role: string) =>
    startDaemonNamed(scene, name, queue, { args: ['--roles', role] });
  const asked = await start('asked', 'api');
  const worker = await start('worker', 'worker');
  const big = await asked.enqueueAndWait('big');
  await begun(scene, 'big');
  return { scene, asked, worker, big, start };
}

test('in the middle of a large file', async ({ sshd, redis }) => {
  const scene = await openJobs(sshd);
  const daemon = await startDaemonNamed(scene, 'only', redis.database());
  const big = await daemon.enqueueAndWait('big');
  await begun(scene, 'big');
  await cancel(daemon, big);
  await endsCancelled(big);
  // It ended at once, not after an hour, and the final name does not exist.
  expect(readdirSync(scene.there('big'))).not.toContain('file');
  expect(await daemon.runs()).toMatchObject([
    { run: big.run, state: 'ended', outcome: 'cancelled' },
  ]);
  // A cancelled run is not started again.
  expect(await cancel(daemon, big)).toMatch(/had already ended/);
  expect(await daemon.stop()).toBe(0);
}, 60_000);

test('active in another process', async ({ sshd, redis }) => {
  const { scene, asked, worker, big } = await openTwo(sshd, redis);
  await cancel(asked, big);
  await endsCancelled(big);
  expect(readdirSync(scene.there('big'))).not.toContain('file');
  expect(await asked.runs()).toMatchObject([{ run: big.run, outcome: 'cancelled' }]);
  await Promise.all([asked.stop(), worker.stop()]);
}, 60_000);

test('active in a process that has died: nobody continues it', async ({ sshd, redis }) => {
  const { asked, worker, big, start } = await openTwo(sshd, redis);
  await worker.kill9();
  await cancel(asked, big);
  const next = await start('next', 'worker');
  await endsCancelled(big);
  expect(await asked.runs()).toMatchObject([{ run: big.run, outcome: 'cancelled' }]);
  await Promise.all([asked.stop(), next.stop()]);
}, 60_000);

test('waiting in the queue', async ({ sshd, redis }) => {
  const scene = await openJobs(sshd);
  const queue = redis.database();
  const start = (name: string, role: string) =>
    startDaemonNamed(scene, name, queue, { args: ['--roles', role] });
  const daemons = [await start('one', 'api'), await start('two', 'scheduler')] as const;
  const [one, two] = daemons;
  // By the process that was asked for it, and by the other one.
  for (const by of daemons) {
    const big = await one.enqueueAndWait('big');
    expect(await cancel(by, big)).toMatch(/removed from the queue/);
    await endsCancelled(big);
    for (const daemon of daemons) {
      const listed = await eventually(async () =>
        (await daemon.runs()).find(({ run }) => run === big.run),
      );
      expect(listed).toMatchObject({ state: 'ended', outcome: 'cancelled' });
    }
  }
  await Promise.all([one.stop(), two.stop()]);
}, 60_000);

test('waiting for its turn behind another run, which goes on: no worker holds it, and the next one takes it', async ({
  sshd,
  redis,
}) => {
  const scene = await openJobs(sshd);
  const args = ['--concurrency', '1'];
  const queue = redis.database();
  const daemon = await startDaemonNamed(scene, 'only', queue, { args });
  const first = await daemon.enqueueAndWait('big');
  await begun(scene, 'big');
  const second = await daemon.enqueueAndWait('other');
  const waiting = (await daemon.runs()).find(({ run }) => run === second.run);
  expect(waiting?.state).toBe('waiting');
  // one run alone, whatever else has not ended
  const alone = await daemon.cli(['runs', first.run, '--limit', '1', '--json']);
  expect(alone.events).toMatchObject([{ run: first.run, state: 'active' }]);
  expect(await cancel(daemon, second)).toMatch(/removed from the queue/);
  await endsCancelled(second);
  const going = (await daemon.runs()).find(({ run }) => run === first.run);
  expect(going?.state).toBe('active');
  const third = await daemon.enqueueAndWait('other');
  const idle = await startDaemonNamed(scene, 'idle', queue, {
    args: ['--roles', 'worker', ...args],
  });
  await begun(scene, 'other');
  for (const run of [first, third]) {
    await cancel(daemon, run);
    await endsCancelled(run);
  }
  await Promise.all([daemon.stop(), idle.stop()]);
}, 90_000);
