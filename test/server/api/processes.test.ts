/** The API of several processes: two that answer, and two workers, on one store and with no folder in common. */
import { describe, expect } from 'vitest';
import { test } from '../../kit/base.js';
import { addApi, askApi, hostOf, operateToken } from '../../kit/daemons/api.js';
import { eventually } from '../../kit/daemons/daemon.js';
import { startDaemonNamed } from '../../kit/daemons/named-daemon.js';
import { startPostgres } from '../../kit/servers/postgres.js';
import { startRedis } from '../../kit/servers/redis.js';
import { storeForTest } from '../../kit/servers/stores.js';

describe.each([
  ['Redis', startRedis],
  ['Postgres', startPostgres],
] as const)('%s', (_name, startStore) => {
  test('each API shows what any worker does', async ({ scene }) => {
    const store = await storeForTest(startStore);
    await scene.jobs({ operation: 'push' }, { bandwidth: '64KiB/s' });
    addApi(scene);
    scene.writeHere({ 'first.txt': 'a', 'large.bin': 'x'.repeat(4 * 1024 * 1024) });
    const start = (name: string, ...args: string[]) =>
      startDaemonNamed(scene, name, store.url, { args });
    const [first, second, worker] = await Promise.all([
      start('api-1', '--roles', 'api,scheduler'),
      start('api-2', '--roles', 'api'),
      start('web-1', '--roles', 'worker'),
      start('web-2', '--roles', 'worker'),
    ]);
    const hosts = [await hostOf(first), await hostOf(second)] as const;
    const get = async (host: string, path: string) =>
      (await askApi(host, `/api/v1/${path}`, { token: operateToken })).body;

    const slow = await first.enqueue();
    for (const host of hosts) {
      const item = await eventually(async () =>
        (await get(host, 'runs')).items.find((one: { progress?: object }) => one.progress),
      );
      expect(item).toMatchObject({
        run: slow,
        progress: { phase: 'transfer', files: { total: 2 }, bytes: { total: 4 * 1024 * 1024 + 1 } },
      });
      expect((await get(host, 'now')).active).toMatchObject([{ run: slow, progress: {} }]);
    }
    expect((await second.cli(['runs'])).stdout).toMatch(/running .* %/);
    expect(worker.stderr()).not.toContain('"level":"warn"');
    await first.cli(['cancel', slow]);
    await first.endOf(slow);
  }, 120_000);
});
