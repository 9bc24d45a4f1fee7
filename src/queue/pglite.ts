/**
 * PGlite, Postgres in this process, in the shape of a `pg` pool, so that BullMQ's Postgres code
 * runs on a folder. One session serves everybody: statements go one after another, and the event
 * loop has its turn between them, since they are carried out in this very thread.
 */
import { EventEmitter } from 'node:events';
import { PGlite, types } from '@electric-sql/pglite';
import { type PgPool, type PgPoolClient, type PgQueryResult, runMigrations } from 'bullmq';

export interface PglitePool extends PgPool {
  /** Bytes of the database's folder as it tells them itself, and whether it answers at all. */
  ping(): Promise<void>;
}

/** Opens the database in a folder, which must be held by this process alone, and readies BullMQ's tables. Rejects when the folder holds no sound database. */
export async function openPglite(folder: string): Promise<PglitePool> {
  const db = await PGlite.create(folder, {
    parsers: {
      // As `pg` does: 64-bit integers are text.
      [types.INT8]: (value) => value,
    },
  });
  const pool = poolOf(db);
  try {
    const client = await pool.connect();
    await runMigrations(client);
    await client.query('SET search_path TO bullmq');
    return pool;
  } catch (error) {
    await db.close().catch(() => {});
    throw error;
  }
}

function poolOf(db: PGlite): PglitePool {
  let line: Promise<unknown> = Promise.resolve();
  let ended: Promise<void> | undefined;

  const query = <R>(text: string, params?: readonly unknown[]): Promise<PgQueryResult<R>> => {
    const turn = line.then(async () => {
      await new Promise((next) => setImmediate(next));
      // Only the simple protocol takes several statements at once.
      if (params === undefined || params.length === 0) {
        const results = await db.exec(text);
        const last = results.at(-1);
        return { rows: (last?.rows ?? []) as R[], rowCount: last?.affectedRows ?? null };
      }
      const { rows, affectedRows } = await db.query<R>(text, [...params]);
      return { rows, rowCount: affectedRows ?? rows.length };
    });
    line = turn.catch(() => {});
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
      ended ??= line.then(() => db.close());
      return ended;
    },
    async ping() {
      await query('SELECT 1');
    },
  });
  pool.setMaxListeners(0);
  return pool as unknown as PglitePool;
}
