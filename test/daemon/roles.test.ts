/** One Redis, several processes: who schedules, who watches, who carries out, and where each can be asked. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Queue } from 'bullmq';
import { expect } from 'vitest';
import { test } from '../kit/base.js';
import { type JsonEvent, writeJobs } from '../kit/daemons/cli.js';
import { eventually, startDaemon } from '../kit/daemons/daemon.js';
import { remoteIn, type Scene } from '../kit/scene.js';
import type { Redis } from '../kit/servers/redis.js';

/** A process of the scene with a state folder of its own; scenes have databases of their own. */
function daemonNamed(redis: Redis, scene: Scene, name: string) {
  const database = Number(scene.place.replace(/\D+/g, ''));
  const url = `${redis.url}/${database}`;
  const env = { FERRYLINE_QUEUE: url, FERRYLINE_STATE_DIR: join(scene.cwd, `.${name}`) };
  return {
    url,
    start: (...args: string[]) => startDaemon(scene, { env, args }),
    cli: (...args: string[]) => scene.cli(args, { env }),
    runs: async () => [
      ...(await scene.cli(['runs', '--idle', '--json', '--limit', '200'], { env })).events,
    ],
    hasLog: (run: string) => existsSync(join(scene.cwd, `.${name}/logs/${run}.ndjson`)),
  };
}

const endedRuns = (events: readonly JsonEvent[]) =>
  events.filter(({ event, state }) => event === 'run-view' && state === 'ended');

test('a front that schedules, watches and answers, and two workers, one of them by name', async ({
  sshd,
  redis,
  scene,
}) => {
  const job = { operation: 'push', from: './data' };
  await writeJobs(scene.cwd, {
    remotes: { archive: remoteIn(sshd) },
    jobs: {
      scheduled: { ...job, to: `archive:${scene.place}/scheduled`, schedule: '*/3 * * * * *' },
      watched: { ...job, to: `archive:${scene.place}/watched`, watch: true, settle: '100ms' },
      manual: { ...job, to: `archive:${scene.place}/manual` },
      routed: { ...job, to: `archive:${scene.place}/routed`, worker: 'web-1' },
    },
  });
  scene.writeHere({ a: 'one' });
  const front = daemonNamed(redis, scene, 'front');
  const any = daemonNamed(redis, scene, 'any');
  const named = daemonNamed(redis, scene, 'named');
  const daemons = [
    await front.start('--roles', 'scheduler,watcher,api'),
    await any.start('--roles', 'worker'),
    await named.start('--roles', 'worker', '--worker', 'web-1'),
  ];
  for (const one of ['manual', 'routed']) {
    const asked = await front.cli('enqueue', one, '--wait', '--json');
    expect(asked.events.at(-1)).toMatchObject({ event: 'run', job: one, outcome: 'succeeded' });
  }
  scene.writeHere({ 'deep/b': 'two' });
  await eventually(() => existsSync(scene.there('watched/deep/b')));
  const runs = await eventually(async () => {
    const found = endedRuns(await front.runs());
    const triggers = new Set(found.map(({ trigger }) => trigger));
    return ['schedule', 'watch', 'manual'].every((one) => triggers.has(one)) && found;
  });
  const { run, report } = runs.find(({ job: name }) => name === 'routed') as JsonEvent;
  expect(report.worker).toMatch(/^web-1@./);
  expect([named.hasLog(run), any.hasLog(run), front.hasLog(run)]).toEqual([true, false, false]);

  for (const [one, roles] of [
    [front, ['scheduler', 'watcher', 'api']],
    [any, ['worker']],
    [named, ['worker']],
  ] as const)
    expect((await one.cli('status', '--json')).events[0]).toMatchObject({
      roles,
      queue: { kind: 'redis', state: 'up' },
    });
  const known = (await front.cli('status', '--json')).events[0] as JsonEvent;
  expect(known.workers.map((one: JsonEvent) => [one.pid, one.roles, one.names])).toEqual([
    [daemons[0]?.pid, ['scheduler', 'watcher', 'api'], []],
    [daemons[1]?.pid, ['worker'], []],
    [daemons[2]?.pid, ['worker'], ['web-1']],
  ]);
  expect(new Set(known.workers.map((one: JsonEvent) => one.digest)).size).toBe(1);
  expect(known.warnings).toBeUndefined();
  const here = await named.cli('logs', run);
  expect([here.code, here.stdout]).toEqual([0, expect.stringContaining('routed')]);
  for (const flags of [[], ['-f']]) {
    const there = await front.cli('logs', ...flags, run);
    expect([there.code, there.stdout]).toEqual([0, here.stdout]);
  }
  // The one that jobs ask for ends in order: it is not known any more, and nobody takes their runs.
  expect(await daemons.pop()?.stop()).toBe(0);
  const { workers, warnings } = (await front.cli('status', '--json')).events[0] as JsonEvent;
  expect(workers.length).toBe(2);
  expect(warnings).toEqual([expect.stringContaining('worker web-1: runs of routed wait')]);
  // Somebody pauses the queue in a dashboard.
  const queue = new Queue('ferryline-runs', { connection: { url: front.url } });
  await queue.pause();
  const asked = (await front.cli('enqueue', 'manual', '--json')).events[0]?.run;
  expect((await front.cli('status')).stdout).toContain('the queue ferryline-runs is paused');
  await queue.resume();
  await queue.close();
  await eventually(async () => endedRuns(await front.runs()).some((one) => one.run === asked));
  expect((await front.cli('status')).stdout).not.toContain('is paused');
  for (const daemon of daemons) expect(await daemon.stop()).toBe(0);
  // The front has them all without anybody else's help.
  const kept = endedRuns(await front.runs()).map((one) => one.job);
  expect(new Set(kept)).toEqual(new Set(['scheduled', 'watched', 'manual', 'routed']));
}, 90_000);

test('two schedulers: one slot is one run', async ({ redis, scene }) => {
  scene.writeHere({ a: 'one' });
  await scene.jobs({ schedule: '* * * * * *' });
  const first = daemonNamed(redis, scene, 'first');
  const second = daemonNamed(redis, scene, 'second');
  const daemons = await Promise.all([
    first.start('--roles', 'scheduler,worker'),
    second.start('--roles', 'scheduler,worker'),
  ]);
  const scheduled = () =>
    first
      .runs()
      .then((all) =>
        all.filter(({ trigger, event }) => event === 'slot' || trigger === 'schedule'),
      );
  await eventually(async () => (await scheduled()).length >= 8);
  for (const daemon of daemons) await daemon.stop();
  const slots = endedRuns(await first.runs()).map(({ slot }) => slot);
  expect(slots.length).toBeGreaterThan(2);
}, 90_000);

test('the scheduler is killed and another takes over: no slot twice', async ({ redis, scene }) => {
  scene.writeHere({ a: 'one' });
  await scene.jobs({ schedule: '* * * * * *', catchUp: { slots: 'all', within: '1h' } });
  const first = daemonNamed(redis, scene, 'third');
  const second = daemonNamed(redis, scene, 'fourth');
  const worker = await daemonNamed(redis, scene, 'fifth').start('--roles', 'worker,api');
  const one = await first.start('--roles', 'scheduler');
  const reports = () => daemonNamed(redis, scene, 'fifth').runs().then(endedRuns);
  await eventually(async () => (await reports()).length >= 3);
  await one.kill9();
  const two = await second.start('--roles', 'scheduler');
  const before = (await reports()).length;
  await eventually(async () => (await reports()).length >= before + 4);
  await two.stop();
  await worker.stop();
  const slots = (await reports()).map(({ slot }) => slot as string);
  expect(new Set(slots).size).toBe(slots.length);
  expect(readFileSync(scene.there('a'), 'utf8')).toBe('one');
}, 90_000);
