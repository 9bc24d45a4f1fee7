/**
 * A thread that opens an embedded store's database, recovers it, reads all its rows and makes its
 * indexes anew: damage may crash or hang Postgres, and here that ends a thread. check-folder.ts
 * starts it and waits.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { openPglite } from './pglite.js';

/** What the thread tells once: why the database is no sound one, or nothing. */
export interface CheckAnswer {
  readonly damage?: string;
}

const answer = await check(workerData as string);
parentPort?.postMessage(answer);

async function check(database: string): Promise<CheckAnswer> {
  try {
    const pool = await openPglite(database);
    await pool.query('REINDEX SCHEMA bullmq');
    await pool.end();
    return {};
  } catch (error) {
    return { damage: (error as Error | undefined)?.message ?? 'it can not be opened' };
  }
}
