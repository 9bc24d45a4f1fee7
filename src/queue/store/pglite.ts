/**
 * PGlite, Postgres in this process, in the shape of a `pg` pool, so that BullMQ's Postgres code
 * runs on a folder. One session serves everybody: statements go one after another, and the event
 * loop has its turn between them, since they are carried out in this very thread.
 */
import { EventEmitter } from 'node:events';
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { PGlite, types } from '@electric-sql/pglite';
import { type PgPool, type PgPoolClient, type PgQueryResult, runMigrations } from 'bullmq';

export interface PglitePool extends PgPool {
  /** Rejects when it does not answer. */
  ping(): Promise<void>;
  /** Calls back once when no query can work any more: with damage met in the database's files, or because Postgres itself went down. */
  onBroken(listener: (why: string, isDamage: boolean) => void): void;
  /** Why no query can work any more. */
  broken(): string | undefined;
}

/** For one client and small tables: 128 MB of the default buffers would be resident from the start. */
const memory = ['shared_buffers=4MB', 'max_connections=5'];
/** Kept with a database when it is made: the log of changes is cut at each checkpoint to what they say. */
const log = ['min_wal_size=2MB', 'max_wal_size=16MB'];

/** Makes a database in a folder that isn't there, in this process. */
export function createPglite(folder: string): Promise<PGlite> {
  return start(folder, ['--wal-segsize=1', ...settings([...memory, ...log])]);
}

/** Opens the database in a folder, which must be held by this process alone, and readies BullMQ's tables. Rejects when the folder holds no sound database. */
export async function openPglite(folder: string): Promise<PglitePool> {
  // Without this file PGlite would make a database around whatever is there.
  await access(join(folder, 'PG_VERSION'));
  const db = await start(folder);
  const pool = poolOf(db);
  try {
    const client = await pool.connect();
    await runMigrations(client);
    await client.query('SET search_path TO bullmq');
    const stop = keepSmall(pool);
    const end = pool.end;
    pool.end = () => {
      stop();
      return end();
    };
    await readAll(client);
    return pool;
  } catch (error) {
    await db.close().catch(() => {});
    throw error;
  }
}

/** Milliseconds between two looks at how much was written. */
const lookEvery = 60_000;
/** Bytes written to the log of changes after which the database is tidied. */
const tidyAfter = 4 * 1024 * 1024;

/**
 * Cuts the log of changes and frees the space of rows that are gone, now and then. Elsewhere other
 * processes of Postgres do that; here there is but one, and both would grow as long as it runs.
 */
function keepSmall(pool: PglitePool): () => void {
  let tidied = 0;
  let busy = false;
  const look = async () => {
    const at = await written(pool);
    if (at - tidied < tidyAfter) return;
    tidied = at;
    await tidy(pool);
  };
  const timer = setInterval(() => {
    if (busy) return;
    busy = true;
    // A database that fails tells whoever uses it.
    void look()
      .catch(() => {})
      .finally(() => {
        busy = false;
      });
  }, lookEvery);
  timer.unref();
  return () => clearInterval(timer);
}

/** Bytes ever written to the log of changes. */
async function written(pool: PglitePool): Promise<number> {
  const sql = "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0') AS bytes";
  return Number((await pool.query<{ bytes: string }>(sql)).rows[0]?.bytes);
}

/** One table at a time, so that others' statements come in between. */
export async function tidy(pool: PglitePool): Promise<void> {
  const sql =
    "SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables WHERE schemaname = 'bullmq'";
  for (const { name } of (await pool.query<{ name: string }>(sql)).rows)
    await pool.query(`VACUUM ${name}`);
  await pool.query('CHECKPOINT');
}

function start(folder: string, initDbStartParams: string[] = []): Promise<PGlite> {
  return PGlite.create(folder, {
    initDbStartParams,
    startParams: [...PGlite.defaultStartParams, ...settings(memory)],
    parsers: {
      // As `pg` does: 64-bit integers are text.
      [types.INT8]: (value) => value,
    },
  });
}

function settings(all: readonly string[]): string[] {
  return all.flatMap((one) => ['-c', one]);
}

/** Reads every row, so that damage shows now and not one day at a query. Rejects with the first that is met. */
async function readAll(client: PgPoolClient): Promise<void> {
  const { rows } = await client.query<{ name: string }>(
    "SELECT quote_ident(tablename) AS name FROM pg_tables WHERE schemaname = 'bullmq'",
  );
  for (const { name } of rows)
    await client.query(`SELECT max(length(whole::text)) FROM bullmq.${name} AS whole`);
}

/** Errors that a sound database does not make. Classes: PostgreSQL manual, appendix A. */
async function breakOf(
  error: unknown,
  db: PGlite,
): Promise<{ readonly why: string; readonly isDamage: boolean } | undefined> {
  const { code, message } = error as { code?: unknown; message?: string };
  // XX: internal, 58: the files are not what they should be.
  if (typeof code === 'string')
    return /^(?:XX|58)/.test(code) ? { why: message ?? code, isDamage: true } : undefined;
  // Without a code it is not Postgres that speaks: perhaps it went down.
  try {
    await db.query('SELECT 1');
    return undefined;
  } catch {
    return { why: message ?? String(error), isDamage: false };
  }
}

/** The database as a pool. */
export function poolOf(db: PGlite): PglitePool {
  let line: Promise<unknown> = Promise.resolve();
  let ended: Promise<void> | undefined;
  let broken: string | undefined;
  let tell: ((why: string, isDamage: boolean) => void) | undefined;

  const query = <R>(text: string, params?: readonly unknown[]): Promise<PgQueryResult<R>> => {
    const turn = line.then(async () => {
      await new Promise((next) => setImmediate(next));
      if (broken !== undefined) throw new Error(broken);
      // Only the simple protocol takes several statements at once.
      if (params === undefined || params.length === 0) {
        const results = await db.exec(text);
        const last = results.at(-1);
        return { rows: (last?.rows ?? []) as R[], rowCount: last?.affectedRows ?? null };
      }
      const { rows, affectedRows } = await db.query<R>(text, [...params]);
      return { rows, rowCount: affectedRows ?? rows.length };
    });
    line = turn.catch(async (error) => {
      if (ended !== undefined || broken !== undefined) return;
      const found = await breakOf(error, db);
      if (found === undefined) return;
      broken = found.why;
      tell?.(found.why, found.isDamage);
    });
    return turn;
  };

  const clients = new Set<Client>();
  db.onNotification((channel, payload) => {
    for (const client of clients) client.emit('notification', { channel, payload });
  });

  class Client extends EventEmitter {
    readonly query = query;
    release(): void {
      clients.delete(this);
    }
  }

  const pool = Object.assign(new EventEmitter(), {
    query,
    async connect() {
      const client = new Client();
      // Each waiter of each queue listens on the one it was given.
      client.setMaxListeners(0);
      clients.add(client);
      return client as unknown as PgPoolClient;
    },
    end() {
      ended ??= line.then(() => (broken === undefined ? db.close() : undefined));
      return ended;
    },
    async ping() {
      await query('SELECT 1');
    },
    onBroken(listener: (why: string, isDamage: boolean) => void) {
      tell = listener;
    },
    broken: () => broken,
  });
  pool.setMaxListeners(0);
  return pool as unknown as PglitePool;
}
