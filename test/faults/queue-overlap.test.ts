/** Runs of one job never overlap, whatever requests them and however many workers there are. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { test } from '../kit/base.js';
import { eventually } from '../kit/daemons/daemon.js';
import { startDaemonNamed } from '../kit/daemons/named-daemon.js';

test('whole, watched and requested runs of a job on two workers', async ({ redis, scene }) => {
  await scene.jobs(
    {
      operation: 'push',
      schedule: '* * * * * *',
      watch: { rescan: '2s' },
      settle: '200ms',
    },
    // Each file takes a while, so that runs would overlap if they could.
    { bandwidth: '64KiB/s' },
  );
  scene.writeHere({ 'a/0': 'zero' });
  const first = await startDaemonNamed(scene, 'first', redis.url);
  const second = await startDaemonNamed(scene, 'second', redis.url, {
    args: ['--roles', 'worker,api'],
  });
  for (let i = 1; i <= 12; i++) {
    scene.writeHere({ [`a/${i}`]: `${i}`.repeat(8192), [`b${i}/c`]: `${i}`.repeat(4096) });
    const asked = await Promise.all(
      [first, second].map((daemon) => daemon.cli(['enqueue', 'job', '--json'])),
    );
    expect(asked.map(({ code }) => code)).toEqual([0, 0]);
  }
  let looks = 0;
  const all = await eventually(async () => {
    // A change that comes while a whole run waits makes no run of its own: some come later, too.
    scene.writeHere({ [`late${looks++}/c`]: 'late' });
    const runs = (await first.runs()).filter(({ state }) => state === 'ended');
    const triggers = new Set(runs.map(({ trigger }) => trigger));
    const enough = ['schedule', 'watch', 'manual', 'rescan'].every((one) => triggers.has(one));
    // Both workers must have had runs.
    const both = [first, second].every((daemon) => /job: succeeded/.test(daemon.stderr()));
    return enough && both && runs.length > 8 && runs;
  });
  const spans = all
    .map(({ report }) => [Date.parse(report.startedAt), Date.parse(report.endedAt)] as const)
    .sort(([a], [b]) => a - b);
  for (const [i, [, end]] of spans.entries())
    expect(spans[i + 1]?.[0] ?? Number.POSITIVE_INFINITY).toBeGreaterThanOrEqual(end);
  expect(new Set(all.map(({ outcome }) => outcome))).toEqual(new Set(['succeeded']));
  await Promise.all([first.stop(), second.stop()]);
}, 90_000);

test('a run whose permit was lost starts again, and ends as one run', async ({
  redis,
  slowScene: scene,
}) => {
  const daemon = await startDaemonNamed(scene, 'only', `${redis.url}/1`);
  const run: string = (await daemon.cli(['enqueue', 'job', '--json'])).events[0]?.run;
  await scene.begun();
  await redis.command('-n', '1', 'del', 'bull:ferryline-permits-job-job:permit-0:lock');
  await daemon.said(/the permit job-job was lost/);
  writeFileSync(join(scene.cwd, 'jobs.yml'), readFileSync(scene.fast));
  await eventually(async () => (await daemon.runs())[0]?.state === 'ended');
  expect(await daemon.runs()).toMatchObject([
    { run, outcome: 'succeeded', report: { attempt: 1 } },
  ]);
  expect(scene.arrived()).toEqual(scene.names);
  await daemon.stop();
}, 90_000);
