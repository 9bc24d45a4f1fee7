/** The stores that several daemons can share, for tests that run on each of them. */
import { onTestFinished } from 'vitest';
import { type Postgres, startPostgres } from './postgres.js';
import { type Redis, startRedis } from './redis.js';

export type SharedStore = Redis | Postgres;

/** For `test.for` and `describe.each`: a name, and the function that starts it. */
export const sharedStores: readonly (readonly [string, () => Promise<SharedStore>])[] = [
  ['Redis', startRedis],
  ['Postgres', startPostgres],
];

/** Starts a store that ends with the test. */
export async function storeForTest(start: () => Promise<SharedStore>): Promise<SharedStore> {
  const store = await start();
  onTestFinished(() => store.stop());
  return store;
}

/**
 * Plays a scenario on each store, on all at once, since they mostly wait. The stores end with the test; each
 * scenario opens a scene of its own. A failure names its store.
 */
export async function onEachStore(scenario: (store: SharedStore) => Promise<void>): Promise<void> {
  const ends = await Promise.allSettled(
    sharedStores.map(async ([_name, start]) => scenario(await storeForTest(start))),
  );
  for (const [i, end] of ends.entries())
    if (end.status === 'rejected') {
      const { reason } = end;
      if (reason instanceof Error) reason.message = `on ${sharedStores[i]?.[0]}: ${reason.message}`;
      throw reason;
    }
}

/** FLUSHALL, or its like: all that was kept is gone, under whoever is connected. */
export async function emptyStore(store: SharedStore): Promise<void> {
  if ('database' in store) return void (await (store as Redis).command('FLUSHALL'));
  const postgres = store as Postgres;
  const tables = await postgres.query(
    "SELECT tablename FROM pg_tables WHERE schemaname = 'bullmq' AND tablename NOT LIKE '%migration%'",
  );
  const names = tables.map(({ tablename }) => `bullmq.${tablename}`).join(', ');
  // It waits for statements of others that may wait for it.
  for (;;)
    try {
      return void (await postgres.query(`TRUNCATE ${names} CASCADE`));
    } catch (error) {
      if ((error as Error).message !== 'deadlock detected') throw error;
    }
}
