/** Row 71 of docs/faults.md: many jobs due in one second, over few connections to the queue. */
import { describe, expect, onTestFinished, test } from 'vitest';
import { writeJobs } from '../kit/daemons/cli.js';
import { eventually } from '../kit/daemons/daemon.js';
import { startDaemonNamed } from '../kit/daemons/named-daemon.js';
import { connectionsTo } from '../kit/daemons/usage.js';
import { openScene, remoteIn } from '../kit/scene.js';
import { startInProcess } from '../kit/servers/in-process.js';
import { startPostgres } from '../kit/servers/postgres.js';
import { startRedis } from '../kit/servers/redis.js';
import { storeForTest } from '../kit/servers/stores.js';

const jobs = Array.from({ length: 40 }, (_, i) => `job-${i}`);

describe.each([
  ['Redis', startRedis, 8],
  ['Postgres', startPostgres, 10],
] as const)('%s', (_name, startStore, most) => {
  test('forty jobs due in one second all run in two processes, each with few connections', async () => {
    const store = await storeForTest(startStore);
    const server = await startInProcess();
    onTestFinished(() => server.stop());
    const scene = await openScene(server);
    scene.writeHere({ file: 'a' });
    await writeJobs(scene.cwd, {
      remotes: { archive: remoteIn(server, { maxSessions: 4 }) },
      jobs: Object.fromEntries(
        jobs.map((name) => [
          name,
          {
            operation: 'push',
            from: './data',
            to: `archive:${scene.place}/${name}`,
            schedule: '*/5 * * * * *',
          },
        ]),
      ),
    });
    const [first, second] = await Promise.all([
      startDaemonNamed(scene, 'first', store.url),
      startDaemonNamed(scene, 'second', store.url),
    ]);
    const seen = new Map([first, second].map(({ pid }) => [pid, 0]));
    const timer = setInterval(() => {
      for (const [pid, before] of seen)
        seen.set(pid, Math.max(before, connectionsTo(pid, store.port)));
    }, 20);
    onTestFinished(() => clearInterval(timer));
    await eventually(async () => {
      const ended = (await first.runs()).filter(({ outcome }) => outcome === 'succeeded');
      return jobs.every((name) => ended.some(({ job }) => job === name));
    });
    clearInterval(timer);
    for (const connections of seen.values()) {
      expect(connections).toBeGreaterThan(0);
      expect(connections).toBeLessThanOrEqual(most);
    }
    for (const daemon of [first, second]) {
      expect(daemon.stderr()).toContain('succeeded');
      expect(daemon.stderr()).not.toMatch(/"level":"(?:warn|error)"/);
      expect(await daemon.stop()).toBe(0);
    }
  }, 90_000);
});
