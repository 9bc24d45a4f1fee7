/** A queue kept by a PostgreSQL: at most ten connections, whatever runs on them. */
import { type ConnectionOptions, runMigrations } from 'bullmq';
import pg from 'pg';
import { FerryError } from '../../core/errors.js';
import { formatDuration } from '../../core/text.js';
import { withClock } from './clocked-backend.js';
import { createCompleteBackend } from './complete-events.js';
import { storeFailure } from './failures.js';
import type { OpenedStore, StoreListener } from './opened-store.js';
import { BoundedPool } from './postgres-pool.js';
import type { Reachability } from './reachability.js';
import { mostApartMs, ServerClock, sayApart } from './server-clock.js';

/** Making BullMQ's tables waits for another process that does, and takes long on a large queue. */
const migrateWithinMs = 300_000;

/** Connects. Errors: `auth`, `config`, `network`. */
export async function openPostgres(
  url: string,
  listener: StoreListener,
  reachability: Reachability,
): Promise<OpenedStore> {
  const config: pg.ClientConfig = {
    connectionString: asLibpq(url),
    application_name: 'ferryline',
    keepAlive: true,
    connectionTimeoutMillis: 10_000,
  };
  const pool = new BoundedPool(config, reachability);
  let address: string;
  let connected = false;
  const clock = new ServerClock(
    async () => timeIn(await pool.direct(readTime)),
    (difference) => {
      if (connected) sayApart(listener, difference, 'it takes no runs until both agree again');
    },
  );
  try {
    // As `pg` reads the URL and the environment.
    const { host, port, database } = new pg.Client(config);
    address = `postgres:${host}:${port}/${database}`;
    await clock.read();
    if (clock.isApart()) throw wrongClock(clock);
    connected = true;
    await migrate(config);
  } catch (error) {
    await pool.end();
    throw storeFailure(error as Error);
  }
  return {
    kind: 'postgres',
    address,
    options: () => ({ connection: pool as unknown as ConnectionOptions }),
    backend: withClock(createCompleteBackend, clock),
    async ping() {
      await Promise.all([clock.read(), pool.checkListener()]);
    },
    now: async () => timeIn(await pool.query(readTime)),
    clock: () => clock.now(),
    close: () => pool.end(),
  };
}

const readTime = 'SELECT extract(epoch FROM clock_timestamp()) * 1000 AS now';

function timeIn({ rows }: { readonly rows: readonly { now?: unknown }[] }): number {
  return Number(rows[0]?.now);
}

function wrongClock(clock: ServerClock): FerryError {
  return new FerryError('config', `${clock.difference()}: it would take runs from other workers`, {
    hint: `set both by a time server, such as with \`timedatectl set-ntp true\`; they may differ by ${formatDuration(mostApartMs)}`,
  });
}

/** `sslmode` means what it means to psql: to `pg` by itself, `require` would be `verify-full`. */
function asLibpq(url: string): string {
  const [address, query] = url.split(/\?(.*)/s);
  const keys = new URLSearchParams(query);
  if (keys.get('sslrootcert') === 'system') {
    keys.delete('sslrootcert');
    keys.set('sslmode', 'verify-full');
  }
  if (keys.has('sslmode') && !keys.has('uselibpqcompat')) keys.set('uselibpqcompat', 'true');
  return keys.size === 0 ? url : `${address}?${keys}`;
}

async function migrate(config: pg.ClientConfig): Promise<void> {
  const client = new pg.Client({ ...config, query_timeout: migrateWithinMs });
  // The statement in progress rejects, too.
  client.on('error', () => {});
  await client.connect();
  try {
    await runMigrations(client as unknown as Parameters<typeof runMigrations>[0]);
  } finally {
    await client.end();
  }
}
