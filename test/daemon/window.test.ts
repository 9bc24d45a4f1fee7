/** A job's window: runs begin only inside, stop at its end, and go on when it opens again. */
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { test } from '../kit/base.js';
import { eventually, runsOf, startDaemon } from '../kit/daemons/daemon.js';
import type { Scene } from '../kit/scene.js';

const dayMs = 86_400_000;

/** Hours that do not contain the time of this test: those of a day that is far away. */
function closed(): string {
  return new Date(Date.now() + 3 * dayMs).toUTCString().slice(0, 3);
}

/** The environment of a process whose clock shows another time now. */
function clockAt(moment: number): { NODE_OPTIONS: string } {
  const ms = moment - Date.now();
  const module = encodeURIComponent(
    `const Real=Date;globalThis.Date=class extends Real{constructor(...a){if(a.length===0)super(Real.now()+${ms});else super(...a)}static now(){return Real.now()+${ms}}};`,
  );
  return { NODE_OPTIONS: `--import data:text/javascript,${module}` };
}

function reportOf(scene: Scene, run: string) {
  return JSON.parse(readFileSync(join(scene.cwd, '.state/runs/job', `${run}.json`), 'utf8'));
}

test('outside it slots are skipped, what was asked for or seen waits, and begins once the window is open', async ({
  redis,
  scene,
}) => {
  scene.writeHere({ a: 'one' });
  const job = {
    ...{ operation: 'push', timezone: 'UTC', schedule: '* * * * * *' },
    ...{ watch: { rescan: '1h' }, settle: '100ms' },
  };
  await scene.jobs({ ...job, window: closed() });
  const daemon = await startDaemon(scene, { env: { FERRYLINE_QUEUE: redis.database() } });
  const asked = await scene.cli(['enqueue', 'job', '--json']);
  const opensAt = new Date(Date.now() + 3 * dayMs).toISOString().slice(0, 10);
  expect(asked.events[0]).toMatchObject({ opensAt: `${opensAt}T00:00:00.000Z` });
  await eventually(async () =>
    (await runsOf(scene)).some(({ why }) => why === `outside the window ${closed()}`),
  );
  const waiting = await eventually(async () =>
    (await runsOf(scene)).find(({ waitsFor }) => waitsFor === 'window'),
  );
  expect(waiting).toMatchObject({ opensAt: `${opensAt}T00:00:00.000Z` });
  expect((await scene.cli(['runs'])).stdout).toContain('waiting (window)');
  const [status] = (await scene.cli(['status', '--json'])).events;
  expect(status?.jobs[0]).toMatchObject({
    ...{ active: [], nextSlot: `${opensAt}T00:00:00.000Z` },
    window: { hours: closed(), open: false, changesAt: `${opensAt}T00:00:00.000Z` },
  });
  expect((await scene.cli(['status'])).stdout).toContain('waiting (window)');
  expect((await scene.cli(['enqueue', 'job'])).stderr).toMatch(/waits for its window: \w{3} /);
  expect((await runsOf(scene)).filter(({ outcome }) => outcome !== undefined)).toEqual([]);
  expect(existsSync(scene.there())).toBe(false);

  // by hand, here and now, a run needs no window
  const byHand = await scene.cli(['run', 'job']);
  expect([byHand.code, byHand.stderr]).toEqual([
    0,
    expect.stringContaining(`job: runs outside its window ${closed()}`),
  ]);
  expect((await scene.cli(['run', 'job', '--dry-run'])).stderr).not.toContain('window');

  scene.writeHere({ later: 'two' });
  const { schedule: _, ...unscheduled } = job;
  await scene.jobs(unscheduled);
  process.kill(daemon.pid, 'SIGHUP');
  await eventually(() => existsSync(scene.there('later')));
  await eventually(async () => (await runsOf(scene)).every(({ state }) => state !== 'delayed'));
  await daemon.stop();
}, 90_000);

test('a run that its end stops says so, and the same run goes on at the next opening, with what it has', async ({
  scene,
}) => {
  // all but the last 32 MiB of what has arrived can be gone on with
  const size = 200 * 1024 * 1024;
  scene.writeHere({ small: 'one' });
  writeFileSync(scene.here('big'), Buffer.alloc(size, 'ferryline '));
  const rules = { operation: 'mirror', timezone: 'UTC', window: '22:00-06:00' };
  await scene.jobs(rules, { bandwidth: '4MiB/s' });
  // an embedded queue: waits on Redis end by its clock, not by the daemon's
  const night = Date.UTC(2030, 5, 1);
  const first = await startDaemon(scene, {
    env: clockAt(night + 6 * 3_600_000 - 40_000),
  });
  const run: string = (await scene.cli(['enqueue', 'job', '--json'])).events[0]?.run;
  const partial = () =>
    existsSync(scene.there())
      ? readdirSync(scene.there()).find((name) => name.startsWith('.big.'))
      : undefined;
  await eventually(() => partial());
  const stopped = await eventually(async () =>
    (await runsOf(scene)).find(({ waitsFor }) => waitsFor === 'window'),
  );
  expect(stopped).toMatchObject({ run, opensAt: '2030-06-01T22:00:00.000Z' });
  expect(reportOf(scene, run)).toMatchObject({
    ...{ outcome: 'incomplete', exitCode: 3, stoppedBy: 'window', attempt: 1 },
    error: { kind: 'timeout', message: 'the window 22:00-06:00 ended before the run did' },
  });
  expect(existsSync(scene.there('big'))).toBe(false);
  const { ino } = statSync(scene.there(partial()));
  await first.stop();

  await scene.jobs(rules);
  const again = await startDaemon(scene, {
    env: clockAt(night + 22 * 3_600_000 - 5000),
  });
  const done = await eventually(async () =>
    (await runsOf(scene)).find(({ outcome }) => outcome === 'succeeded'),
  );
  expect(done).toMatchObject({ run, report: { attempt: 1 } });
  expect(Date.parse(done.report.startedAt)).toBeGreaterThanOrEqual(night + 22 * 3_600_000);
  expect(done.report.stoppedBy).toBeUndefined();
  // the file is the one that was begun
  expect(statSync(scene.there('big'))).toMatchObject({ ino, size });
  expect(readFileSync(scene.there('big')).equals(readFileSync(scene.here('big')))).toBe(true);
  await again.stop();
}, 180_000);
