/**
 * A program of its own: `node make-pglite.js FOLDER` makes the database of an embedded queue in a
 * folder that isn't there, with BullMQ's tables, and ends. Making one takes some seconds and twice
 * the memory that the daemon takes with its database open, which a process gives back by ending.
 */
import { runMigrations } from 'bullmq';
import { createPglite, poolOf } from './pglite.js';

const [, , folder] = process.argv;
if (folder === undefined) throw new Error('the folder to make is missing');
const pool = poolOf(await createPglite(folder));
await runMigrations(await pool.connect());
await pool.end();
