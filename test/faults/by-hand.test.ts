/** Runs by hand keep apart from those of daemons: `ferryline run` beside a queue (row 73 of docs/faults.md). */
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { test } from '../kit/base.js';
import { startFerryline } from '../kit/daemons/cli.js';
import { eventually, startDaemon } from '../kit/daemons/daemon.js';
import { namedDaemonEnv, startDaemonNamed } from '../kit/daemons/named-daemon.js';
import { freePort } from '../kit/servers/free-port.js';
import { onEachStore } from '../kit/servers/stores.js';
import { openSlowScene } from '../kit/slow-scene.js';

describe('with a queue in Redis or Postgres', () => {
  test(
    '8 while a worker on another machine runs the job, naming the run',
    ({ sshd }) =>
      onEachStore(async (store) => {
        const scene = await openSlowScene(sshd);
        const daemon = await startDaemonNamed(scene, 'far', store.url);
        const run = await daemon.enqueue();
        await scene.begun();
        const byHand = await scene.cli(['run', 'job'], { env: { FERRYLINE_QUEUE: store.url } });
        expect([byHand.code, byHand.stderr]).toEqual([
          8,
          expect.stringContaining(`job job runs already, as run ${run} of the queue`),
        ]);
        await daemon.cli(['cancel', run]);
        await daemon.stop();
      }),
    120_000,
  );

  test(
    'a run by hand keeps the daemon’s runs waiting, and gives the permit back when it is killed',
    ({ sshd }) =>
      onEachStore(async (store) => {
        const scene = await openSlowScene(sshd);
        // The second run looks for twelve seconds whether the first one is alive.
        await scene.jobs({}, { bandwidth: '12KiB/s' });
        const hand = namedDaemonEnv(scene, 'hand', store.url);
        const byHand = startFerryline(['run', 'job'], { cwd: scene.cwd, env: hand });
        await scene.begun();
        const second = await scene.cli(['run', 'job'], { env: { FERRYLINE_QUEUE: store.url } });
        expect([second.code, second.stderr]).toEqual([
          8,
          expect.stringContaining('job job runs already, in another process on its queue'),
        ]);
        expect(second.stderr).toContain('job: its permit is taken');
        copyFileSync(scene.fast, join(scene.cwd, 'jobs.yml'));
        const daemon = await startDaemonNamed(scene, 'far', store.url);
        const run = await daemon.enqueue();
        // The worker tried it and gave it back.
        await eventually(async () => (await daemon.runs())[0]?.state === 'delayed');
        expect(scene.arrived().length).toBeLessThan(scene.names.length);
        byHand.child.kill('SIGKILL');
        expect(await daemon.endOf(run)).toMatchObject({ outcome: 'succeeded' });
        await daemon.stop();
      }),
    120_000,
  );
});

test('a queue that can’t be reached: 4, unless --alone', async ({ scene }) => {
  scene.writeHere({ a: 'a' });
  const env = { FERRYLINE_QUEUE: `redis://127.0.0.1:${await freePort()}` };
  const refused = await scene.cli(['run', 'job'], { env });
  expect([refused.code, refused.stderr]).toEqual([
    4,
    expect.stringMatching(/the queue can't be reached.*\n.*--alone runs it without the queue/),
  ]);
  const adHoc = ['push', 'data', `archive:${scene.place}/b`];
  expect((await scene.cli(adHoc, { env })).code).toBe(4);
  expect((await scene.cli(['check', 'job'], { env })).code).toBe(4);
  expect((await scene.cli(['check', 'job', '--alone'], { env })).code).toBe(10);
  expect((await scene.cli(['run', 'job', '--alone'], { env })).code).toBe(0);
  expect((await scene.cli([...adHoc, '--alone'], { env })).code).toBe(0);
});

test('with the embedded queue, its daemon gives logins to runs by hand, and gets those of a killed one back', async ({
  slowScene: scene,
}) => {
  await scene.jobs({}, { bandwidth: '48KiB/s', maxSessions: 1 });
  const daemon = await startDaemon(scene);
  const asked = await scene.cli(['enqueue', 'job', '--json']);
  await scene.begun();
  const push = ['push', 'data/f-000', `archive:${scene.place}-b`];
  const waiting = startFerryline(push, { cwd: scene.cwd });
  await waiting.said(/waiting for a login on archive: other runs use all its maxSessions/);
  expect((await scene.cli(['cancel', asked.events[0]?.run])).code).toBe(0);
  expect((await waiting.ended).code).toBe(0);

  const byHand = startFerryline(['run', 'job', '-v'], { cwd: scene.cwd });
  await byHand.said(/^copy /m);
  const next = startFerryline(push, { cwd: scene.cwd });
  await next.said(/waiting for a login/);
  byHand.child.kill('SIGKILL');
  expect((await next.ended).code).toBe(0);
  expect(await daemon.stop()).toBe(0);
}, 120_000);

test('a check takes its login from the daemon, and no permit of its job', async ({
  slowScene: scene,
}) => {
  await scene.jobs({}, { bandwidth: '48KiB/s', maxSessions: 1 });
  const daemon = await startDaemon(scene);
  const asked = await scene.cli(['enqueue', 'job', '--json']);
  await scene.begun();
  const check = startFerryline(['check', 'job'], { cwd: scene.cwd });
  await check.said(/waiting for a login on archive/);
  await scene.cli(['cancel', asked.events[0]?.run]);
  const { code, stderr } = await check.ended;
  expect(code, stderr).toBe(10);
  await daemon.stop();
}, 120_000);

test('a run by hand goes on when the daemon that gave it its permits ends', async ({
  slowScene: scene,
}) => {
  const daemon = await startDaemon(scene);
  const byHand = startFerryline(['run', 'job'], { cwd: scene.cwd });
  await scene.begun();
  expect(await daemon.stop()).toBe(0);
  const { code, stderr } = await byHand.ended;
  expect([code, stderr]).toEqual([0, expect.stringContaining('job: succeeded: 300 copied')]);
  expect(scene.arrived()).toEqual(scene.names);
}, 120_000);

test('a run by hand has a log like the daemon’s, which needs no daemon to be read', async ({
  scene,
}) => {
  scene.writeHere({ a: 'a', b: 'bb' });
  const { report } = await scene.run();
  const { code, events } = await scene.cli(['logs', report.run, '--json']);
  expect(code).toBe(0);
  // both are copied at once
  const lines = events.map(({ event, path }) => path ?? event);
  expect([lines[0], ...lines.slice(1, 3).sort(), lines[3]]).toEqual(['plan', 'a', 'b', 'run']);
});

test('runs are named by a beginning of the id, `latest`, or the job, with a daemon and without', async ({
  scene,
}) => {
  scene.writeHere({ a: 'a' });
  const first = (await scene.run()).report.run as string;
  const latest = (await scene.run()).report.run as string;
  const runOf = async (name: string) =>
    (await scene.cli(['logs', name, '--json'])).events.at(-1)?.run;
  const named = async () => ({
    first: await runOf(first.slice(0, -1)),
    latest: await runOf('latest'),
    job: await runOf('job'),
  });
  const listed = async (name: string) =>
    (await scene.cli(['runs', name, '--json'])).events.map(({ run }) => run);
  expect([await listed(first.slice(0, -1)), await listed('latest')]).toEqual([[first], [latest]]);
  expect((await scene.cli(['runs', '19'])).code).toBe(2);
  const expected = { first, latest, job: latest };
  expect(await named()).toEqual(expected);
  const several = await scene.cli(['logs', '20']);
  expect([several.code, several.stderr]).toEqual([
    2,
    expect.stringContaining(
      `2 runs begin with "20"\n  next: give more of the id: ${latest}, ${first}`,
    ),
  ]);
  const daemon = await startDaemon(scene);
  expect(daemon.stderr()).toContain('making the embedded queue, once');
  expect(await named()).toEqual(expected);
  expect([await listed(first.slice(0, -1)), await listed('latest')]).toEqual([[first], [latest]]);
  expect((await scene.cli(['runs', '19'])).code).toBe(2);
  const again = await scene.cli(['rerun', 'latest', '--wait', '--json']);
  expect([again.code, again.events[0]]).toMatchObject([0, { rerunOf: latest }]);
  expect((await scene.cli(['cancel', 'nothing'])).stderr).toContain('there is no run "nothing"');
  await daemon.stop();
}, 120_000);
