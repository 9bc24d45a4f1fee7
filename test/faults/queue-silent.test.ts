/** Row 72 of docs/faults.md: the network between a worker and its queue drops everything and closes nothing. */
import { expect, onTestFinished } from 'vitest';
import { test } from '../kit/base.js';
import { writeJobs } from '../kit/daemons/cli.js';
import { eventually } from '../kit/daemons/daemon.js';
import { startDaemonNamed } from '../kit/daemons/named-daemon.js';
import { openScene, remoteIn } from '../kit/scene.js';
import { startProxy } from '../kit/servers/proxy.js';
import type { Sshd } from '../kit/servers/sshd.js';
import { type SharedStore, sharedStores } from '../kit/servers/stores.js';

/** Jobs of worker `far`: `slow`, which takes a while; `tick`, each two seconds. */
async function openJobs(sshd: Sshd) {
  const scene = await openScene(sshd);
  scene.writeHere({ 'slow/file': '.'.repeat(400 * 1024), 'tick/file': 'tick' });
  const job = (name: string, remote: string) => ({
    operation: 'mirror',
    from: `./data/${name}`,
    to: `${remote}:${scene.place}/${name}`,
    worker: 'far',
  });
  await writeJobs(scene.cwd, {
    remotes: { archive: remoteIn(sshd), line: remoteIn(sshd, { bandwidth: '16KiB/s' }) },
    jobs: {
      slow: { ...job('slow', 'line'), retry: { attempts: 3, backoff: '1s' } },
      tick: { ...job('tick', 'archive'), schedule: '*/2 * * * * *' },
    },
  });
  return scene;
}

async function silence(store: SharedStore, sshd: Sshd): Promise<void> {
  onTestFinished(() => store.stop());
  const proxy = await startProxy(store.port);
  onTestFinished(() => proxy.stop());
  const scene = await openJobs(sshd);
  const near = await startDaemonNamed(scene, 'near', store.url, {
    args: ['--roles', 'scheduler,api'],
  });
  const through = store.url.replace(`:${store.port}`, `:${proxy.port}`);
  const far = await startDaemonNamed(scene, 'far', through, {
    args: ['--roles', 'worker', '--worker', 'far'],
  });
  const active = (run: string) =>
    eventually(async () =>
      (await near.runs()).some((one) => one.run === run && one.state === 'active'),
    );
  const slow = await near.enqueue('slow');
  await active(slow);

  proxy.pause();
  await far.said(/the queue: .*no answer within 10 s/);
  const status = await far.cli(['status', '--json']);
  expect([status.code, status.events[0]?.queue.state]).toEqual([0, 'down']);
  const refused = await far.cli(['enqueue', 'tick']);
  expect([refused.code, refused.stderr]).toEqual([4, expect.stringContaining('the queue ')]);

  // No old connection ever works again, or is closed.
  proxy.abandon();
  await far.said(/the queue can be reached again/);
  const back = Date.now();
  await eventually(async () =>
    (await near.runs('tick')).some(
      ({ slot, outcome }) => Date.parse(slot) > back && outcome === 'succeeded',
    ),
  );
  expect(await near.endOf(slow)).toMatchObject({ outcome: 'succeeded' });
  scene.writeHere({ 'slow/file': '-'.repeat(800 * 1024) });
  const next = await near.enqueue('slow');
  await active(next);
  await near.cli(['cancel', next]);
  expect(await near.endOf(next)).toMatchObject({ outcome: 'cancelled' });
  expect(far.stderr().match(/"the queue: /g)).toHaveLength(1);
  expect(far.stderr().match(/can be reached again/g)).toHaveLength(1);

  proxy.pause();
  expect(await far.stop()).toBe(0);
  expect(await near.stop()).toBe(0);
}

test('a silent network is reported and waited for; its dead connections are replaced', async ({
  sshd,
}) => {
  const stores = await Promise.all(sharedStores.map(([, start]) => start()));
  await Promise.all(stores.map((store) => silence(store, sshd)));
}, 240_000);
