/**
 * A program of its own: `node make-pglite.js FOLDER` makes the database of an embedded queue, with
 * BullMQ's tables, in a folder that does not exist yet, and ends. That takes some seconds and twice
 * the memory of a daemon with its database open, which only the end of a process frees.
 */
import { runMigrations } from 'bullmq';
import { createPglite } from './pglite.js';
import { PglitePool } from './pglite-pool.js';

const [, , folder] = process.argv;
if (folder === undefined) throw new Error('the folder to make is missing');
void make(folder);

async function make(inFolder: string): Promise<void> {
  const pool = new PglitePool(await createPglite(inFolder));
  await runMigrations(await pool.connect());
  await pool.end();
}
