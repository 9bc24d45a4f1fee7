/** Rows 47 and 48 of docs/faults.md: watches at the system's limits, and a daemon that is killed while its folder changes. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { test } from '../kit/base.js';
import { startFerryline } from '../kit/daemons/cli.js';
import { eventually, startDaemon } from '../kit/daemons/daemon.js';
import { readTree } from '../kit/files/tree.js';

/** In its own user namespace, any user may lower the limits of inotify. */
const limited = (what: string) => ['unshare', '-Ur', 'sh', '-c', `${what} && exec "$0" "$@"`];

test('too few watches: "degraded", with what to do, and the rescan finds everything', async ({
  redis,
  scene,
}) => {
  await scene.jobs({ operation: 'push', watch: { rescan: '2s' }, settle: '100ms' });
  for (let n = 0; n < 40; n++) scene.writeHere({ [`d${n}/f`]: 'old' });
  const daemon = startFerryline(['start'], {
    cwd: scene.cwd,
    env: { FERRYLINE_QUEUE: `${redis.url}/1` },
    wrap: limited('echo 10 > /proc/sys/user/max_inotify_watches'),
  });
  await daemon.said(/started: /);
  await daemon.said(/fs\.inotify\.max_user_watches/);
  const { events } = await scene.cli(['status', '--json']);
  expect(events[0]?.jobs[0]).toMatchObject({
    job: 'job',
    watch: 'degraded',
    whyDegraded: expect.stringContaining('max_user_watches'),
  });
  expect((await scene.cli(['status'])).stdout).toContain('degraded');
  for (let n = 0; n < 40; n++) writeFileSync(scene.here(`d${n}/f`), 'changed');
  await eventually(() =>
    Array.from({ length: 40 }, (_, n) => scene.there(`d${n}/f`)).every(
      (path) => existsSync(path) && readFileSync(path, 'utf8') === 'changed',
    ),
  );
  daemon.child.kill('SIGTERM');
  expect((await daemon.ended).code).toBe(0);
}, 60_000);

test('events lost in the system: all files arrive', async ({ redis, scene }) => {
  await scene.jobs({ operation: 'push', watch: { rescan: '1h' }, settle: '100ms' });
  mkdirSync(scene.here('d'), { recursive: true });
  const daemon = await startDaemon(scene, { env: { FERRYLINE_QUEUE: `${redis.url}/2` } });
  // More events than the system's queue holds, while the process is stopped.
  const most = Number(readFileSync('/proc/sys/fs/inotify/max_queued_events', 'utf8'));
  process.kill(daemon.pid, 'SIGSTOP');
  for (let n = 0; n < most / 3 + 1000; n++) writeFileSync(scene.here('d/busy'), `${n}`);
  scene.writeHere({ 'late/f': 'after the overflow', g: 'too' });
  process.kill(daemon.pid, 'SIGCONT');
  await eventually(() => existsSync(scene.there('late/f')) && existsSync(scene.there('g')));
  await eventually(async () =>
    (await scene.cli(['runs', '--idle', '--json'])).events.every(({ state }) => state === 'ended'),
  );
  expect(readTree(scene.there())).toEqual(readTree(scene.here()));
  expect(await daemon.stop()).toBe(0);
}, 60_000);

test('ten thousand edits while the daemon is killed twice: it converges, and no file has two writers', async ({
  redis,
  scene,
}) => {
  await scene.jobs({ operation: 'push', watch: { rescan: '1h' }, settle: '100ms' });
  mkdirSync(scene.here(), { recursive: true });
  const env = { FERRYLINE_QUEUE: `${redis.url}/3` };
  let daemon = await startDaemon(scene, { env });
  for (let edit = 0; edit < 10_000; edit++) {
    const path = `d${edit % 20}/f${edit % 997}`;
    if (edit < 20) mkdirSync(scene.here(`d${edit}`));
    writeFileSync(scene.here(path), `edit ${edit}`);
    if (edit % 100 === 0) await new Promise((next) => setTimeout(next, 20));
    if (edit === 3000 || edit === 6500) {
      await daemon.kill9();
      daemon = await startDaemon(scene, { env });
    }
  }
  const here = readTree(scene.here());
  await eventually(async () => {
    await new Promise((next) => setTimeout(next, 500));
    return Object.entries(here).every(
      ([path, text]) =>
        existsSync(scene.there(path)) && readFileSync(scene.there(path), 'utf8') === text,
    );
  });
  await eventually(async () =>
    (await scene.cli(['runs', '--idle', '--json'])).events.every(({ state }) => state === 'ended'),
  );
  expect(await daemon.stop()).toBe(0);
  // A killed worker's temporary files may remain until they are old enough to be removed.
  const arrived = Object.entries(readTree(scene.there()));
  expect(Object.fromEntries(arrived.filter(([path]) => !path.endsWith('.ferrypart')))).toEqual(
    here,
  );
  // Runs of one job follow each other: none begins before the one before has ended.
  const folder = join(scene.cwd, '.state/runs/job');
  const runs = readTree(folder);
  const spans = Object.keys(runs)
    .map((name) => JSON.parse(readFileSync(join(folder, name), 'utf8')))
    .filter(({ seconds }) => seconds > 0)
    .map(({ startedAt, endedAt }) => [Date.parse(startedAt), Date.parse(endedAt)] as const)
    .sort(([a], [b]) => a - b);
  for (const [n, [start]] of spans.entries())
    if (n > 0) expect(start).toBeGreaterThanOrEqual(spans[n - 1]?.[1] ?? 0);
  expect(spans.length).toBeGreaterThan(3);
}, 180_000);
