/**
 * A thread that opens an embedded store's database, recovers it, reads all its rows and rebuilds its
 * indexes. Damage may crash or hang Postgres, which then ends this thread only. check-folder.ts
 * starts it and waits.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { openPglite } from './pglite.js';

/** The one message of the thread: the damage found, if any. */
export interface CheckResult {
  readonly damage?: string;
}

void check(workerData as string).then((result) => parentPort?.postMessage(result));

async function check(database: string): Promise<CheckResult> {
  try {
    const pool = await openPglite(database);
    await pool.query('REINDEX SCHEMA bullmq');
    await pool.end();
    return {};
  } catch (error) {
    return { damage: (error as Error | undefined)?.message ?? "it can't be opened" };
  }
}
