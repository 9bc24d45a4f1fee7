/** Row 29 of docs/faults.md: a Redis that has no memory left. */
import { existsSync } from 'node:fs';
import { expect } from 'vitest';
import { test } from '../kit/base.js';
import { eventually } from '../kit/daemons/daemon.js';
import { startDaemonNamed } from '../kit/daemons/named-daemon.js';

test('requests are refused with the reason, watched changes are kept, and all goes on afterwards', async ({
  redis,
  scene,
}) => {
  await scene.jobs({ operation: 'push', watch: { rescan: '1h' }, settle: '200ms' });
  scene.writeHere({ 'before.txt': 'one' });
  const daemon = await startDaemonNamed(scene, 'only', redis.url);
  await eventually(() => existsSync(scene.there('before.txt')));
  await eventually(async () => (await daemon.runs())[0]?.state === 'ended');

  await redis.command('config', 'set', 'maxmemory', '1');
  const refused = await daemon.cli(['enqueue', 'job']);
  expect(refused.code).toBe(4);
  expect(refused.stderr).toMatch(/the queue .*OOM/);
  scene.writeHere({ 'new/during.txt': 'two' });
  const queue = async () => (await daemon.cli(['status', '--json'])).events[0]?.queue;
  await eventually(async () => (await queue()).state === 'down');
  // The outage lasts longer than the daemon's interval between two looks, each of which writes.
  const refusedLooks = async () =>
    Number(
      /cmdstat_set:.*rejected_calls=(\d+)/.exec(await redis.command('info', 'commandstats'))?.[1],
    );
  const before = await refusedLooks();
  await eventually(async () => (await refusedLooks()) > before + 1);
  expect(await queue()).toMatchObject({ state: 'down', message: expect.stringMatching('OOM') });
  expect(existsSync(scene.there('new/during.txt'))).toBe(false);

  await redis.command('config', 'set', 'maxmemory', '0');
  await eventually(() => existsSync(scene.there('new/during.txt')));
  await daemon.said(/the queue can be reached again/);
  expect((await daemon.cli(['enqueue', 'job', '--wait'])).code).toBe(0);
  expect((await queue()).state).toBe('up');
  expect(daemon.stderr().match(/"the queue: /g)?.length).toBe(1);
  // One change can meet the outage before the queue has noticed it.
  expect(daemon.stderr().match(/could not be queued yet/g)?.length ?? 0).toBeLessThan(2);
  expect(daemon.stderr().match(/can be reached again/g)?.length).toBe(1);
  expect(await daemon.stop()).toBe(0);
}, 120_000);
