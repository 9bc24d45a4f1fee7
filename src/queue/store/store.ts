/**
 * Where the queue is kept: a Redis, a Postgres, or a PGlite folder of this process. BullMQ runs on
 * all three; what differs is how to connect and how to see that it is fit.
 */
import type { ConnectionOptions, QueueBaseOptions, QueueOptions } from 'bullmq';
import { FerryError } from '../../core/errors.js';

export type StoreKind = 'embedded' | 'redis' | 'postgres';

/** What BullMQ's classes take to run on a store. */
export interface Store {
  readonly kind: StoreKind;
  /** Options for a queue or a worker; `own` gives a connection that one object may block on. */
  options(own?: boolean): QueueBaseOptions;
  /** BullMQ's backend for this store; undefined: Redis, its own default. */
  // biome-ignore lint/suspicious/noExplicitAny: BullMQ's classes are typed by the backend they default to
  readonly backend: any;
  /** Rejects when the store can't be used right now. */
  ping(): Promise<void>;
  close(): Promise<void>;
}

/** How many of a queue's events are kept, for those who listen; BullMQ's default of 10,000 for each permit would be most of a store. */
export function keepEvents(maxLen: number): Pick<QueueOptions, 'streams'> {
  return { streams: { events: { maxLen } } };
}

export interface StoreOptions {
  /** `embedded`, `redis://…`, `rediss://…` or `postgres://…`. */
  readonly url: string;
  /** The folder of an embedded store. */
  readonly folder: string;
  /** Told of troubles with the connection, and of their end. */
  readonly onTrouble: (trouble: Error | undefined) => void;
  readonly onWarning: (message: string) => void;
  /** Told once when an embedded store can't be used any more; opening it again helps. */
  readonly onBroken?: (why: string) => void;
}

export function storeKind(url: string): StoreKind {
  if (url === 'embedded') return 'embedded';
  return url.startsWith('redis') ? 'redis' : 'postgres';
}

/** Connects. Errors: `config` for a store that must not be used as it is, `network` for one that can't be reached. */
export function openStore(options: StoreOptions): Promise<Store> {
  switch (storeKind(options.url)) {
    case 'embedded':
      return openEmbedded(options);
    case 'redis':
      return openRedis(options);
    case 'postgres':
      return openPostgres(options);
  }
}

async function openEmbedded({ folder, ...options }: StoreOptions): Promise<Store> {
  const [{ openFolder }, { createPostgresBackend }] = await Promise.all([
    import('./embedded.js'),
    import('bullmq'),
  ]);
  const pool = await openFolder(folder, options);
  const shared = { connection: pool as unknown as ConnectionOptions };
  return {
    kind: 'embedded',
    options: () => shared,
    backend: createPostgresBackend,
    ping: async () => {
      await pool.query('SELECT 1');
    },
    close: () => pool.end(),
  };
}

async function openPostgres({ url, onTrouble }: StoreOptions): Promise<Store> {
  const [{ default: pg }, { runMigrations }, { createCompleteBackend }] = await Promise.all([
    import('pg'),
    import('bullmq'),
    import('./complete-events.js'),
  ]);
  const pool = new pg.Pool({
    connectionString: url,
    options: '-c search_path=bullmq',
    application_name: 'ferryline',
    keepAlive: true,
    connectionTimeoutMillis: 10_000,
    // Each worker and each listener keeps one; connections are made when they are needed.
    max: 100,
  });
  // Every object of BullMQ on it listens for errors.
  pool.setMaxListeners(0);
  pool.on('error', onTrouble);
  const ping = async () => {
    try {
      await pool.query('SELECT 1');
      onTrouble(undefined);
    } catch (error) {
      throw unreachable(error as Error);
    }
  };
  try {
    await ping();
    const client = await pool.connect();
    try {
      await runMigrations(client);
    } finally {
      client.release();
    }
  } catch (error) {
    await pool.end();
    throw error;
  }
  const shared = { connection: pool as unknown as ConnectionOptions };
  return {
    kind: 'postgres',
    options: () => shared,
    backend: createCompleteBackend,
    ping,
    close: () => pool.end(),
  };
}

async function openRedis({ url, onTrouble }: StoreOptions): Promise<Store> {
  const { Redis } = await import('ioredis');
  const client = new Redis(url, {
    lazyConnect: true,
    // As BullMQ asks: a command waits for the connection as long as it takes.
    maxRetriesPerRequest: null,
    retryStrategy: (times) => Math.min(100 * 2 ** times, 2000),
  });
  const copies = new Set<typeof client>();
  const watch = (connection: typeof client) => {
    connection.on('error', onTrouble);
    connection.on('ready', () => onTrouble(undefined));
  };
  watch(client);
  const close = async () => {
    for (const copy of copies) copy.disconnect();
    client.disconnect();
  };
  try {
    await connectOnce(client);
    // BullMQ gives up for good on a copy whose first connection fails, if it is one that it has to ask to connect.
    client.options.lazyConnect = false;
    await refuseEviction(client);
  } catch (error) {
    await close();
    throw error;
  }
  return {
    kind: 'redis',
    options(own = false) {
      if (!own) return { connection: client };
      const copy = client.duplicate();
      watch(copy);
      copies.add(copy);
      copy.once('end', () => copies.delete(copy));
      return { connection: copy };
    },
    backend: undefined,
    async ping() {
      if (client.status !== 'ready') throw unreachable(new Error(`connection ${client.status}`));
      // A write, which fails while the memory is full or the disk is, as those of the queue do.
      try {
        await client.set('ferryline-pulse', '1', 'PX', 60_000);
      } catch (error) {
        throw new FerryError('network', `Redis takes nothing: ${(error as Error).message}`, {
          cause: error,
          hint: 'give the server more memory or disk, or fix what its answer names',
        });
      }
    },
    close,
  };
}

/** The first connection; ioredis itself would go on trying for ever. */
function connectOnce(client: import('ioredis').Redis): Promise<void> {
  return new Promise((resolve, reject) => {
    client.once('error', (error) => reject(unreachable(error)));
    client.connect().then(resolve, (error) => reject(unreachable(error)));
  });
}

/** A Redis that may throw away entries under pressure would lose runs without a word. */
async function refuseEviction(client: import('ioredis').Redis): Promise<void> {
  const memory = await client.info('memory');
  const policy = /maxmemory_policy:(\S+)/.exec(memory)?.[1];
  if (policy === undefined || policy === 'noeviction') return;
  throw new FerryError(
    'config',
    `the queue's Redis has maxmemory-policy ${policy}: under pressure it would throw away runs`,
    {
      hint: '`redis-cli config set maxmemory-policy noeviction`, and the same in redis.conf',
    },
  );
}

function unreachable(error: Error): FerryError {
  const { code } = error as NodeJS.ErrnoException;
  // Several addresses that all failed come as one error without words.
  const words = error instanceof AggregateError ? error.errors.map((one) => one.message) : [];
  const why = words.length > 0 ? words.join(', ') : error.message || code || 'no answer';
  return new FerryError('network', `the queue can't be reached: ${why}`, {
    ...(code === undefined ? {} : { code }),
    cause: error,
    hint: 'check `queue` in jobs.yml, or FERRYLINE_QUEUE, and that the server runs',
  });
}
