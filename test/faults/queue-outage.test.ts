/** Row 27 of docs/faults.md: the queue's server is killed and comes back, with its data or without. */
import { readFileSync } from 'node:fs';
import { describe, expect, onTestFinished } from 'vitest';
import { test } from '../kit/base.js';
import { writeJobs } from '../kit/daemons/cli.js';
import { eventually } from '../kit/daemons/daemon.js';
import { type NamedDaemon, startDaemonNamed } from '../kit/daemons/named-daemon.js';
import { openScene, remoteIn, type Scene } from '../kit/scene.js';
import { startRedis } from '../kit/servers/redis.js';
import type { Sshd } from '../kit/servers/sshd.js';
import { onEachStore } from '../kit/servers/stores.js';

/** Jobs: `slow`, which takes a while; `one` … `five`; `tick`, each two seconds. */
const quick = ['one', 'two', 'three', 'four', 'five'];

async function openJobs(sshd: Sshd, rate: string): Promise<Scene> {
  const scene = await openScene(sshd);
  scene.writeHere({
    ...Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`slow/${i}`, '.'.repeat(4096)])),
    ...Object.fromEntries([...quick, 'tick'].map((name) => [`${name}/file`, name])),
  });
  const job = (name: string, remote: string) => ({
    operation: 'mirror',
    from: `./data/${name}`,
    to: `${remote}:${scene.place}/${name}`,
  });
  await writeJobs(scene.cwd, {
    remotes: { archive: remoteIn(sshd), line: remoteIn(sshd, { bandwidth: rate }) },
    jobs: {
      slow: { ...job('slow', 'line'), retry: { attempts: 3, backoff: '1s' } },
      ...Object.fromEntries(quick.map((name) => [name, job(name, 'archive')])),
      tick: { ...job('tick', 'archive'), schedule: '*/2 * * * * *' },
    },
  });
  return scene;
}

/** The runs' outcomes, once all have ended. */
function ends(daemon: NamedDaemon, runs: readonly string[]) {
  return eventually(async () => {
    const views = await daemon.runs();
    const found = runs.map((run) => views.find((view) => view.run === run));
    return found.every((view) => view?.state === 'ended') && found.map((view) => view?.outcome);
  });
}

function times(daemon: NamedDaemon, pattern: RegExp): number {
  return daemon.stderr().match(pattern)?.length ?? 0;
}

/** Waits until a slot later than this moment has had a successful run. */
function tickAfter(daemon: NamedDaemon, moment: number) {
  return eventually(async () =>
    (await daemon.runs('tick')).some(
      ({ slot, outcome }) => Date.parse(slot) > moment && outcome === 'succeeded',
    ),
  );
}

describe('Redis or Postgres, killed and started again', () => {
  test(
    'no acknowledged run is lost, schedules go on, and the outage is reported once',
    ({ sshd }) =>
      onEachStore(async (store) => {
        // It takes 40 s, so that it is still running when its lock expires, however long the steps before take.
        const scene = await openJobs(sshd, '10KiB/s');
        // One run at a time: the others wait.
        const daemon = await startDaemonNamed(scene, 'only', store.url, {
          args: ['--concurrency', '1'],
        });
        const runs = [await daemon.enqueue('slow')];
        await eventually(async () => (await daemon.cli(['status'])).stdout.includes('running'));
        for (const job of quick) runs.push(await daemon.enqueue(job));

        await store.kill9();
        await daemon.said(/the queue: /);
        const status = await daemon.cli(['status', '--json']);
        expect([status.code, status.events[0]?.queue]).toMatchObject([0, { state: 'down' }]);
        expect(status.events[0]?.queue.message).toMatch(/\S/);
        const refused = await daemon.cli(['enqueue', 'one']);
        expect(refused.code).toBe(4);
        expect(refused.stderr).toMatch(/the queue .*(?:no answer within 10 s|ECONN|terminated)/);
        // The active run is given up once its lock has certainly expired.
        await daemon.said(/slow: failed: .*taken over/);

        await store.restart();
        const back = Date.now();
        await daemon.said(/the queue can be reached again/);
        expect(await ends(daemon, runs)).toEqual(runs.map(() => 'succeeded'));
        await tickAfter(daemon, back);
        for (const name of quick)
          expect(readFileSync(scene.there(`${name}/file`), 'utf8')).toBe(name);
        for (let i = 0; i < 100; i++)
          expect(readFileSync(scene.there(`slow/${i}`), 'utf8').length).toBe(4096);
        expect(times(daemon, /the queue: /g)).toBe(1);
        expect(times(daemon, /can be reached again/g)).toBe(1);
        // Slots that wait for the queue are no news; one may fail just before the outage is known.
        expect(times(daemon, /could not be queued yet/g)).toBeLessThan(2);
        expect(await daemon.stop()).toBe(0);
      }),
    150_000,
  );

  test(
    'a daemon stops while the queue is away',
    ({ sshd }) =>
      onEachStore(async (store) => {
        const scene = await openJobs(sshd, '16KiB/s');
        const daemon = await startDaemonNamed(scene, 'stops', store.url);
        await daemon.enqueue('slow');
        await eventually(async () => (await daemon.cli(['status'])).stdout.includes('running'));
        await store.kill9();
        await daemon.said(/the queue: /);
        expect(await daemon.stop()).toBe(0);
      }),
    60_000,
  );
});

test('a Redis that lost everything is filled again from jobs.yml', async ({ sshd }) => {
  const redis = await startRedis();
  onTestFinished(() => redis.stop());
  const scene = await openJobs(sshd, '1MiB/s');
  const daemon = await startDaemonNamed(scene, 'only', redis.url);
  await tickAfter(daemon, 0);
  await redis.command('flushall');
  const lost = Date.now();
  await tickAfter(daemon, lost);
  expect(await ends(daemon, [await daemon.enqueue('one')])).toEqual(['succeeded']);
  expect(readFileSync(scene.there('one/file'), 'utf8')).toBe('one');
  await daemon.stop();
}, 90_000);
