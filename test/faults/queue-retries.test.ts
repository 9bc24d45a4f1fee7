/** Attempts of a run: which failures are tried again, when, and what `runs` shows; and its `timeout`. */
import { rmSync, writeFileSync } from 'node:fs';
import { expect, onTestFinished } from 'vitest';
import { test } from '../kit/base.js';
import { eventually } from '../kit/daemons/daemon.js';
import { type NamedDaemon, startDaemonNamed } from '../kit/daemons/named-daemon.js';
import type { Scene } from '../kit/scene.js';
import { makeKey } from '../kit/servers/keys.js';
import { startProxy } from '../kit/servers/proxy.js';

const retry = { attempts: 4, backoff: '300ms', maxBackoff: '10s' };

/** When each attempt of a run ended, from the daemon's log. */
function attempts(daemon: NamedDaemon, run: string): number[] {
  return daemon
    .stderr()
    .split('\n')
    .filter(
      (line) => line.includes(run) && /job: (?:failed|succeeded|incomplete|refused)/.test(line),
    )
    .map((line) => Date.parse(JSON.parse(line).time));
}

test('a server that is down is tried again with growing waits, and found when it is up', async ({
  sshd,
  redis,
  scene,
}) => {
  scene.writeHere({ 'a.txt': 'one' });
  const proxy = await startProxy(sshd.port);
  const { port } = proxy;
  await proxy.stop();
  await scene.jobs({ retry }, { port, hostKey: sshd.hostKeyFingerprint });
  const daemon = await startDaemonNamed(scene, 'only', redis.database());
  const given = await daemon.enqueue();
  const view = await daemon.endOf(given);
  expect(view).toMatchObject({
    outcome: 'failed',
    report: { attempt: 4, exitCode: 4, error: { kind: 'network' } },
  });
  const ended = attempts(daemon, given);
  expect(ended.length).toBe(4);
  // Each wait is at least half of 300 ms, doubled each time; the other half is random.
  const waits = ended.slice(1).map((at, i) => at - (ended[i] as number));
  for (const [i, wait] of waits.entries()) expect(wait).toBeGreaterThanOrEqual(150 * 2 ** i);

  await scene.jobs(
    { retry: { attempts: 50, backoff: '300ms', maxBackoff: '300ms' } },
    { hostKey: sshd.hostKeyFingerprint, port },
  );
  await daemon.said(/jobs\.yml was reloaded/);
  const found = await daemon.enqueue();
  await eventually(async () => {
    const view = (await daemon.runs()).find((one) => one.run === found);
    return view?.state === 'delayed' && attempts(daemon, found).length > 1;
  });
  await scene.jobs({ retry: { ...retry, attempts: 50 } });
  const last = await daemon.endOf(found);
  expect(last.outcome).toBe('succeeded');
  expect(last.report.attempt).toBeGreaterThan(2);
  await daemon.stop();
}, 90_000);

const hopeless: readonly [string, number, (scene: Scene) => Promise<unknown>][] = [
  [
    'auth',
    5,
    (scene) => scene.jobs({ retry }, { auth: { key: makeKey(`${scene.cwd}/stranger`).file } }),
  ],
  ['host-key', 6, (scene) => scene.jobs({ retry }, { hostKey: `SHA256:${'A'.repeat(43)}` })],
  [
    'refused',
    7,
    async (scene) => {
      await scene.jobs({ retry });
      scene.writeThere({ 'x.txt': 'x', 'y.txt': 'y', 'z.txt': 'z' });
    },
  ],
];

test.for(hopeless)(
  'what ends with %s is not tried again',
  { timeout: 60_000 },
  async ([kind, code, prepare], { redis, scene }) => {
    scene.writeHere({ 'a.txt': 'one' });
    await prepare(scene);
    const daemon = await startDaemonNamed(scene, 'only', redis.database());
    const ended = await daemon.cli(['enqueue', 'job', '--wait', '--json']);
    const report = ended.events.at(-1);
    expect([ended.code, report]).toMatchObject([code, { attempt: 1, error: { kind } }]);
    expect(attempts(daemon, report?.run).length).toBe(1);
    expect(await daemon.runs()).toMatchObject([{ state: 'ended', run: report?.run }]);
    await daemon.stop();
  },
);

test('an attempt that follows on another worker replaces the report kept of the first', async ({
  redis,
  scene,
}) => {
  scene.writeHere({ 'a.txt': 'one' });
  await scene.jobs({ retry: { attempts: 2, backoff: '5s', maxBackoff: '5s' } }, { port: 1 });
  const queue = redis.database();
  const first = await startDaemonNamed(scene, 'first', queue);
  const run = await first.enqueue();
  await first.said(/job: failed/);
  await eventually(async () => (await first.runs())[0]?.state === 'delayed');
  await first.stop();
  await scene.jobs({ retry: { attempts: 2, backoff: '5s', maxBackoff: '5s' } });
  const second = await startDaemonNamed(scene, 'second', queue);
  expect(await second.endOf(run)).toMatchObject({ outcome: 'succeeded', report: { attempt: 2 } });
  const again = await startDaemonNamed(scene, 'first', queue);
  await eventually(async () => (await again.runs())[0]?.outcome === 'succeeded');
  expect(await again.runs()).toMatchObject([{ run, outcome: 'succeeded', report: { attempt: 2 } }]);
  await Promise.all([again.stop(), second.stop()]);
}, 60_000);

test('a run past its timeout ends with 3, deletes nothing and is tried again', async ({
  sshd,
  redis,
  scene,
}) => {
  const proxy = await startProxy(sshd.port);
  onTestFinished(() => proxy.stop());
  scene.writeHere({ big: '.'.repeat(400_000), small: 's' });
  scene.writeThere({ old: 'old', small: 's' });
  scene.mirrored();
  await scene.jobs(
    { timeout: '1s', delete: { max: '100%' }, retry: { attempts: 2, backoff: '100ms' } },
    { bandwidth: '32KiB/s' },
  );
  const daemon = await startDaemonNamed(scene, 'only', redis.database());
  const { code, events } = await daemon.cli(['enqueue', 'job', '--wait', '--json']);
  expect([code, events.at(-1)]).toMatchObject([
    3,
    { outcome: 'incomplete', attempt: 2, error: { kind: 'timeout' }, files: { deleted: 0 } },
  ]);
  expect(attempts(daemon, events.at(-1)?.run).length).toBe(2);
  rmSync(scene.here('big'));
  writeFileSync(scene.here('more'), 'more');
  // The bytes already sent count for the remote's limit, which would delay the next run.
  await scene.jobs({ delete: { max: '100%' } });
  process.kill(daemon.pid, 'SIGHUP');
  await daemon.said(/jobs\.yml was reloaded/);
  const next = await daemon.cli(['enqueue', 'job', '--wait', '--json']);
  expect(next.events.at(-1)).toMatchObject({ outcome: 'succeeded', attempt: 1 });
  await daemon.stop();
}, 60_000);
