/** A queue that goes away under a daemon, and does not come back. */
import { expect } from 'vitest';
import { test } from '../kit/base.js';
import { type Daemon, eventually, runsOf, startDaemon } from '../kit/daemons/daemon.js';

test('is reported once, hides no report, and does not keep the daemon from stopping', async ({
  redis,
  scene,
}) => {
  let daemon: Daemon | undefined;
  try {
    await scene.jobs({ schedule: '0 0 1 1 *', watch: true });
    scene.writeHere({ 'a.txt': 'one' });
    daemon = await startDaemon(scene, { env: { FERRYLINE_QUEUE: redis.url } });
    await eventually(async () => (await runsOf(scene)).some(({ state }) => state === 'ended'));
    await redis.stop();
    await eventually(async () => {
      const { events } = await scene.cli(['status', '--json']);
      // Right after the loss it may still have asked the queue, and end with an error.
      return events[0]?.queue?.state === 'down';
    });
    const runs = await scene.cli(['runs', '--idle', '--json']);
    expect(runs.code).toBe(0);
    // On a busy machine an event of the file may come late, or the queue seem away for a moment: further runs.
    expect(runs.events).toContainEqual(
      expect.objectContaining({ trigger: 'rescan', outcome: 'succeeded' }),
    );
    expect(await daemon.stop()).toBe(0);
    expect(daemon.stderr().match(/"warn","message":"the queue: /g)).toHaveLength(1);
    expect((daemon.stderr().match(/ECONNREFUSED/g) ?? []).length).toBeLessThan(2);
  } finally {
    await daemon?.kill9();
  }
}, 60_000);
