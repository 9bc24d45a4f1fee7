/** A queue that goes away under a daemon, and does not come back. */
import { expect, test } from 'vitest';
import { eventually, runsOf, startDaemon } from '../kit/daemon.js';
import { startRedis } from '../kit/redis.js';
import { openScene } from '../kit/scene.js';
import { startSshd } from '../kit/sshd.js';

test('is told once, hides no report, and does not keep the daemon from stopping', async () => {
  const [sshd, redis] = await Promise.all([startSshd(), startRedis()]);
  try {
    const scene = await openScene(sshd);
    await scene.jobs({ schedule: '0 0 1 1 *', watch: true });
    scene.writeHere({ 'a.txt': 'one' });
    const daemon = await startDaemon(scene, { env: { FERRYLINE_QUEUE: redis.url } });
    await daemon.said(/job: succeeded/);
    await redis.stop();
    const { message } = await eventually(async () => {
      const { events } = await scene.cli(['status', '--json']);
      return events[0]?.queue.state === 'down' && (events[0].queue as { message: string });
    });
    expect(message).toContain('ECONNREFUSED');
    expect(await runsOf(scene)).toMatchObject([{ trigger: 'rescan', outcome: 'succeeded' }]);
    expect(await daemon.stop()).toBe(0);
    expect(daemon.stderr().match(/ECONNREFUSED/g)).toHaveLength(1);
  } finally {
    await redis.stop();
    await sshd.stop();
  }
}, 60_000);
