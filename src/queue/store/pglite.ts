/** The database of an embedded store, a PGlite folder: makes it, opens it and keeps it small. */
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { PGlite, types } from '@electric-sql/pglite';
import { type PgPoolClient, runMigrations } from 'bullmq';
import { isSingle, readOwnFile } from '../../state/own-files.js';
import { PglitePool } from './pglite-pool.js';

/** One client and small tables need no more; the default buffers would take 128 MB from the start. */
const memory = ['shared_buffers=4MB', 'max_connections=5'];
/** Stored with a database when it is made: each checkpoint cuts the write-ahead log to these sizes. */
const writeAheadLog = ['min_wal_size=2MB', 'max_wal_size=16MB'];

/** Makes a database in a folder that does not exist yet, in this process. */
export function createPglite(folder: string): Promise<PGlite> {
  return start(folder, ['--wal-segsize=1', ...settings([...memory, ...writeAheadLog])]);
}

/** Opens the database in a folder, which only this process may have open, and prepares BullMQ's tables. Rejects when the folder holds no sound database. */
export async function openPglite(folder: string): Promise<PglitePool> {
  // Without this file PGlite would make a database around whatever is in the folder.
  await access(join(folder, 'PG_VERSION'));
  const db = await start(folder);
  const pool = new PglitePool(db);
  try {
    const client = await pool.connect();
    await runMigrations(client);
    await client.query('SET search_path TO bullmq');
    pool.once('ending', keepSmall(pool));
    await readAll(client);
    return pool;
  } catch (error) {
    await db.close().catch(() => {});
    throw error;
  }
}

/** Time between two checks of how much was written. */
const checkEveryMs = 60_000;
/** The database is tidied once this much was added to the write-ahead log. */
const tidyAfterBytes = 4 * 1024 * 1024;

/**
 * Tidies the database from time to time. A full PostgreSQL has processes of its own for that; here
 * there is only one, and both the log and the tables would grow for as long as it runs. Returns a
 * function that stops it.
 */
function keepSmall(pool: PglitePool): () => void {
  let tidiedAt = 0;
  let busy = false;
  const check = async () => {
    const written = await bytesWritten(pool);
    if (written - tidiedAt < tidyAfterBytes) return;
    tidiedAt = written;
    await tidy(pool);
  };
  const timer = setInterval(() => {
    if (busy) return;
    busy = true;
    // A database that fails reports it to the callers of the pool.
    void check()
      .catch(() => {})
      .finally(() => {
        busy = false;
      });
  }, checkEveryMs);
  timer.unref();
  return () => clearInterval(timer);
}

/** Bytes ever written to the write-ahead log. */
async function bytesWritten(pool: PglitePool): Promise<number> {
  const sql = "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0') AS bytes";
  return Number((await pool.query<{ bytes: string }>(sql)).rows[0]?.bytes);
}

/** Frees the space of deleted rows and cuts the write-ahead log; one table at a time, so that other statements run in between. */
export async function tidy(pool: PglitePool): Promise<void> {
  const sql =
    "SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables WHERE schemaname = 'bullmq'";
  for (const { name } of (await pool.query<{ name: string }>(sql)).rows)
    await pool.query(`VACUUM ${name}`);
  await pool.query('CHECKPOINT');
}

async function start(folder: string, initDbStartParams: string[] = []): Promise<PGlite> {
  return PGlite.create(folder, {
    ...(isSingle && (await filesInside())),
    initDbStartParams,
    startParams: [...PGlite.defaultStartParams, ...settings(memory)],
    parsers: {
      // As in `pg`: 64-bit integers are text.
      [types.INT8]: (value) => value,
    },
  });
}

/** A global of Node that its types leave out. */
declare const WebAssembly: { compile(bytes: Uint8Array): Promise<object> };

/** What PGlite otherwise reads from files beside its code. */
async function filesInside() {
  const read = (name: string) => readOwnFile(`dist/cli/${name}`);
  return {
    pgliteWasmModule: await WebAssembly.compile(read('pglite.wasm')),
    initdbWasmModule: await WebAssembly.compile(read('initdb.wasm')),
    fsBundle: new Blob([read('pglite.data')]),
  };
}

function settings(all: readonly string[]): string[] {
  return all.flatMap((one) => ['-c', one]);
}

/** Reads every row, so that damage is found now and not in some later query. Rejects with the first damage found. */
async function readAll(client: PgPoolClient): Promise<void> {
  const { rows } = await client.query<{ name: string }>(
    "SELECT quote_ident(tablename) AS name FROM pg_tables WHERE schemaname = 'bullmq'",
  );
  for (const { name } of rows)
    await client.query(`SELECT max(length(whole::text)) FROM bullmq.${name} AS whole`);
}
