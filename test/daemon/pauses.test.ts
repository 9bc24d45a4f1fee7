/** Pauses of jobs, remotes and all: what they hold, how they end, and what is made up for. */
import { join } from 'node:path';
import { expect } from 'vitest';
import { test } from '../kit/base.js';
import { type JsonEvent, writeJobs } from '../kit/daemons/cli.js';
import { eventually, runsOf, startDaemon } from '../kit/daemons/daemon.js';
import { remoteIn, type Scene } from '../kit/scene.js';

const statusOf = async (scene: Scene, env?: Record<string, string>): Promise<JsonEvent> =>
  (await scene.cli(['status', '--json'], { ...(env && { env }) })).events[0] as JsonEvent;
const pausedJobs = ({ jobs }: JsonEvent): string[] =>
  jobs.filter(({ paused }: JsonEvent) => paused).map(({ job }: JsonEvent) => job);

test('of a remote holds every job that uses it, also through it, on every machine, until its time', async ({
  sshd,
  redis,
  scene,
}) => {
  scene.writeHere({ a: 'one' });
  const job = { operation: 'push', from: './data' };
  await writeJobs(scene.cwd, {
    remotes: {
      archive: remoteIn(sshd),
      bastion: remoteIn(sshd),
      inner: remoteIn(sshd, { jump: 'bastion' }),
    },
    jobs: {
      near: { ...job, to: `archive:${scene.place}/near` },
      far: { ...job, to: `inner:${scene.place}/far` },
    },
  });
  const env = { FERRYLINE_QUEUE: redis.database() };
  const elsewhere = { FERRYLINE_STATE_DIR: join(scene.cwd, '.elsewhere') };
  const first = await startDaemon(scene, { env });
  const second = await startDaemon(scene, { env: { ...env, ...elsewhere } });

  const paused = await scene.cli(
    ['pause', '--remote', 'bastion', '--until', '2099-01-01T08:00Z', '--reason', 'new disks'],
    { env: { SUDO_USER: 'ann' } },
  );
  expect(paused.code).toBe(0);
  const seen = await eventually(async () => {
    const status = await statusOf(scene, elsewhere);
    return pausedJobs(status).length > 0 && status;
  });
  expect(pausedJobs(seen)).toEqual(['far']);
  expect(seen.pauses).toEqual([
    {
      ...{ scope: 'remote', remote: 'bastion', since: expect.any(String) },
      ...{ until: '2099-01-01T08:00:00.000Z', reason: 'new disks' },
      by: expect.stringMatching(/^ann@./),
    },
  ]);
  expect(seen.jobs[1].pause).toEqual(seen.pauses[0]);
  expect((await scene.cli(['status'])).stdout).toMatch(
    /^paused {2}remote bastion until .*, since .* by ann@.*: new disks$/m,
  );
  expect((await scene.cli(['enqueue', 'near', '--wait'])).code).toBe(0);
  const refused = await scene.cli(['enqueue', 'far']);
  expect(refused).toMatchObject({
    code: 7,
    stderr: expect.stringMatching(
      /far does not run: remote bastion is paused by ann@.*: new disks/,
    ),
  });
  expect(refused.stderr).toContain('`ferryline resume --remote bastion`');
  expect((await scene.cli(['pause', '--remote', 'nowhere'])).code).toBe(2);

  // a shorter one takes its place, and ends by itself on both machines
  await scene.cli(['pause', '--remote', 'bastion', '--for', '1s'], { env: elsewhere });
  for (const where of [{}, elsewhere])
    await eventually(async () => pausedJobs(await statusOf(scene, where)).length === 0);
  expect((await scene.cli(['enqueue', 'far', '--wait'])).code).toBe(0);
  await Promise.all([first.stop(), second.stop()]);
}, 90_000);

test('of all jobs skips slots, and --catch-up makes up for the latest of each job', async ({
  redis,
  scene,
}) => {
  scene.writeHere({ a: 'one' });
  await scene.jobs({ operation: 'push', schedule: '*/2 * * * * *' });
  const env = { FERRYLINE_QUEUE: redis.database() };
  const daemon = await startDaemon(scene, { env });
  expect((await scene.cli(['pause', '--all', '--reason', 'moving'])).code).toBe(0);
  const skipped = async () =>
    (await runsOf(scene)).filter(({ why }) => /^all jobs are paused by .*: moving$/.test(why));
  await eventually(async () => (await skipped()).length > 1);
  // without a schedule, nothing but the catch-up starts a run
  await scene.cli(['pause', 'job']);
  const still = await scene.cli(['resume', '--all', '--catch-up', '--json']);
  expect(still.events).toMatchObject([
    { event: 'resumed', scope: 'all', caughtUp: [], others: [{ scope: 'job', job: 'job' }] },
  ]);
  const before = Date.now();
  await eventually(async () =>
    (await runsOf(scene)).some(
      ({ slot, why }) => Date.parse(slot) > before && /^the job/.test(why),
    ),
  );
  const resumed = await scene.cli(['resume', 'job', '--catch-up', '--json']);
  const [{ run, slot }] = (resumed.events[0] as JsonEvent).caughtUp;
  expect(Date.parse(slot)).toBeGreaterThan(before - 2000);
  const found = await eventually(async () =>
    (await runsOf(scene)).find((one) => one.run === run && one.outcome === 'succeeded'),
  );
  expect(found).toMatchObject({ trigger: 'catch-up', slot });
  await scene.cli(['pause', 'job']);
  await eventually(async () => (await statusOf(scene)).jobs[0].active.length === 0);
  await scene.cli(['resume', 'job']);
  const caught = (await runsOf(scene)).filter(({ trigger }) => trigger === 'catch-up');
  expect(caught).toHaveLength(1);
  await daemon.stop();
}, 90_000);

test('for a while lets a watch look for what changed meanwhile', async ({ redis, scene }) => {
  scene.writeHere({ a: 'one' });
  await scene.jobs({ operation: 'push', watch: { rescan: '1h' }, settle: '100ms' });
  const env = { FERRYLINE_QUEUE: redis.database() };
  const daemon = await startDaemon(scene, { env });
  const rescans = async () =>
    (await runsOf(scene)).filter(
      ({ trigger, outcome }) => trigger === 'rescan' && outcome === 'succeeded',
    );
  await eventually(async () => (await rescans()).length === 1);
  await scene.cli(['pause', 'job', '--for', '6s']);
  scene.writeHere({ b: 'two' });
  await eventually(async () => (await rescans()).length === 2);
  expect((await rescans())[0]?.report.files.copied).toBe(1);
  await daemon.stop();
}, 90_000);
