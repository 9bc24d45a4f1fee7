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
