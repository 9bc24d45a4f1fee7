/** The daemon on one box, as it comes: everything in one process, its queue in the state folder. */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { test } from '../kit/base.js';
import { startFerryline } from '../kit/daemons/cli.js';
import { eventually, runsOf, startDaemon } from '../kit/daemons/daemon.js';

test('a run by hand, a scheduled one and a watched one, over one login', async ({
  sshd,
  scene,
}) => {
  const before = sshd.logins();
  await scene.jobs({ schedule: '*/2 * * * * *', watch: { rescan: '1h' }, settle: '200ms' });
  scene.writeHere({ 'a.txt': 'one' });
  const daemon = await startDaemon(scene);
  const asked = await scene.cli(['enqueue', 'job', '--wait', '--json']);
  expect([asked.code, asked.events.at(-1)]).toMatchObject([
    0,
    { event: 'run', job: 'job', outcome: 'succeeded' },
  ]);
  scene.writeHere({ 'new/deep/b.txt': 'two' });
  await eventually(() => existsSync(scene.there('new/deep/b.txt')));
  const runs = await eventually(async () => {
    // One that was asked for while a scheduled one waited is that one.
    await scene.cli(['enqueue', 'job', '--wait']);
    const all = await runsOf(scene);
    const triggers = new Set(all.map(({ trigger }) => trigger));
    return ['schedule', 'watch', 'rescan', 'manual'].every((one) => triggers.has(one)) && all;
  });
  expect(runs.length).toBeGreaterThan(3);
  expect(statSync(join(scene.cwd, '.state/control.sock')).mode & 0o777).toBe(0o600);
  expect(await daemon.stop()).toBe(0);
  expect(sshd.logins() - before).toBe(1);
  expect(readFileSync(scene.there('new/deep/b.txt'), 'utf8')).toBe('two');
}, 60_000);

test('a daemon that is still making its queue is waited for', async ({ scene }) => {
  await scene.jobs({});
  const starting = startFerryline(['start'], { cwd: scene.cwd });
  try {
    await starting.said(/opening the queue/);
    expect(existsSync(join(scene.cwd, '.state/control.sock'))).toBe(false);
    const { code, stdout } = await scene.cli(['status']);
    expect([code, stdout]).toEqual([0, expect.stringContaining(`${starting.pid}`)]);
  } finally {
    starting.child.kill();
    await starting.ended;
  }
}, 60_000);
