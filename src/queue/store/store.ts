/**
 * Where the queue is kept: a Redis, a Postgres, or a PGlite folder of this process. BullMQ runs on
 * all three; they differ in how to connect and how to check that the store can be used.
 */
import type { ConnectionOptions, QueueBaseOptions, QueueOptions } from 'bullmq';
import { FerryError } from '../../core/errors.js';
import { present } from '../../core/present.js';
import { parseQueueUrl } from '../../core/queue-url.js';
import { formatDuration } from '../../core/text.js';
import { mostApartMs, ServerClock } from './server-clock.js';

export type StoreKind = 'embedded' | 'redis' | 'postgres';

/** What BullMQ's classes need to run on a store. */
export interface Store {
  readonly kind: StoreKind;
  /** Options for a queue or a worker; with `own`, a connection that one object may block on. */
  options(own?: boolean): QueueBaseOptions;
  /** BullMQ's backend for this store; undefined: Redis, its own default. */
  // biome-ignore lint/suspicious/noExplicitAny: BullMQ's classes are typed by the backend they default to
  readonly backend: any;
  /** Rejects when the store can't be used at the moment. */
  ping(): Promise<void>;
  /** Its clock, ms since the epoch: what orders things between processes goes by it, never by a machine's own. */
  now(): Promise<number>;
  /** The same clock without asking: as it was when it was last read, and the time since. Pings read it. */
  clock(): number;
  close(): Promise<void>;
}

/** How many of a queue's events are kept for its listeners; BullMQ's default of 10,000 for each permit would fill most of a store. */
export function keepEvents(maxLen: number): Pick<QueueOptions, 'streams'> {
  return { streams: { events: { maxLen } } };
}

export interface StoreOptions {
  /** `embedded`, `redis://…`, `rediss://…` or `postgres://…`. */
  readonly url: string;
  /** The folder of an embedded store. */
  readonly folder: string;
  /** Called with each trouble of a connection, and with undefined when it works again. */
  readonly onTrouble: (trouble: Error | undefined) => void;
  readonly onWarning: (message: string) => void;
  readonly onNote?: (message: string) => void;
  /** Called once when an embedded store can't be used any more; opening it again helps. */
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
    now: async () => Date.now(),
    clock: Date.now,
    close: () => pool.end(),
  };
}

async function openPostgres(options: StoreOptions): Promise<Store> {
  const { url: written, onTrouble } = options;
  const [{ default: pg }, { runMigrations }, { createCompleteBackend }, { withClock }] =
    await Promise.all([
      import('pg'),
      import('bullmq'),
      import('./complete-events.js'),
      import('./clocked-backend.js'),
    ]);
  const pool = new pg.Pool({
    connectionString: urlOf(written),
    options: '-c search_path=bullmq',
    application_name: 'ferryline',
    keepAlive: true,
    connectionTimeoutMillis: 10_000,
    // Each worker and each listener keeps one; a connection is made when it is needed.
    max: 100,
  });
  // Every object of BullMQ listens for errors.
  pool.setMaxListeners(0);
  pool.on('error', onTrouble);
  const now = async () => {
    const sql = 'SELECT extract(epoch FROM clock_timestamp()) * 1000 AS now';
    return Number((await pool.query<{ now: string }>(sql)).rows[0]?.now);
  };
  let connected = false;
  const clock = new ServerClock(now, (difference) => {
    if (connected) sayApart(options, difference, 'it takes no runs until both agree again');
  });
  const ping = async () => {
    try {
      await clock.read();
      onTrouble(undefined);
    } catch (error) {
      throw unreachable(error as Error);
    }
  };
  try {
    await ping();
    if (clock.isApart())
      throw new FerryError(
        'config',
        `${clock.difference()}: it would take runs from other workers`,
        {
          hint: `set both by a time server, such as with \`timedatectl set-ntp true\`; they may differ by ${formatDuration(mostApartMs)}`,
        },
      );
    connected = true;
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
    backend: withClock(createCompleteBackend, clock),
    ping,
    now,
    clock: () => clock.now(),
    close: () => pool.end(),
  };
}

async function openRedis(options: StoreOptions): Promise<Store> {
  const { url: written, onTrouble } = options;
  const { Redis } = await import('ioredis');
  const client = new Redis(urlOf(written), {
    lazyConnect: true,
    // BullMQ requires this: a command waits for the connection as long as it takes.
    maxRetriesPerRequest: null,
    retryStrategy: (times) => Math.min(100 * 2 ** times, 2000),
  });
  const copies = new Set<typeof client>();
  const watch = (connection: typeof client) => {
    connection.on('error', onTrouble);
    connection.on('ready', () => onTrouble(undefined));
  };
  watch(client);
  const now = async () => {
    const [seconds = Number.NaN, microseconds = Number.NaN] = (await client.time()).map(Number);
    return seconds * 1000 + microseconds / 1000;
  };
  const clock = new ServerClock(now, (difference) =>
    sayApart(options, difference, "slots come by the server's"),
  );
  const close = async () => {
    for (const copy of copies) copy.disconnect();
    client.disconnect();
  };
  try {
    await connectOnce(client);
    // Copies connect by themselves: BullMQ gives up for good on one that it must connect when that fails.
    client.options.lazyConnect = false;
    await refuseEviction(client);
    await clock.read();
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
      // A write, since it fails like the queue's own while the memory or the disk is full.
      try {
        await client.set('ferryline-pulse', '1', 'PX', 60_000);
        await clock.read();
      } catch (error) {
        throw new FerryError('network', `Redis takes no writes: ${(error as Error).message}`, {
          cause: error,
          hint: 'give the server more memory or disk, or fix the cause that it names',
        });
      }
    },
    now,
    clock: () => clock.now(),
    close,
  };
}

/** Says that the machine's clock and the server's differ, and what follows; undefined: that they agree again. */
function sayApart(
  { onWarning, onNote }: StoreOptions,
  difference: string | undefined,
  consequence: string,
): void {
  if (difference !== undefined) onWarning(`${difference}: ${consequence}`);
  else onNote?.("this machine's clock and that of the queue's server agree again");
}

/** As the libraries read it: in a password as people write it they would find a host. */
function urlOf(written: string): string {
  const url = parseQueueUrl(written)?.url;
  if (url !== undefined) return url;
  throw new FerryError('config', 'the URL of the queue has no valid host and port', {
    hint: 'check `queue` in jobs.yml, or FERRYLINE_QUEUE',
  });
}

/** Makes the first connection, with one attempt: ioredis itself would try for ever. */
function connectOnce(client: import('ioredis').Redis): Promise<void> {
  return new Promise((resolve, reject) => {
    client.once('error', (error) => reject(unreachable(error)));
    client.connect().then(resolve, (error) => reject(unreachable(error)));
  });
}

/** Rejects when Redis may evict entries under memory pressure: it would silently lose runs. */
async function refuseEviction(client: import('ioredis').Redis): Promise<void> {
  const memory = await client.info('memory');
  const policy = /maxmemory_policy:(\S+)/.exec(memory)?.[1];
  if (policy === undefined || policy === 'noeviction') return;
  throw new FerryError(
    'config',
    `the queue's Redis has maxmemory-policy ${policy}: when its memory is full, it would delete runs`,
    {
      hint: 'run `redis-cli config set maxmemory-policy noeviction`, and set the same in redis.conf',
    },
  );
}

function unreachable(error: Error): FerryError {
  const { code } = error as NodeJS.ErrnoException;
  // When several addresses fail, the error that holds theirs has no message.
  const messages = error instanceof AggregateError ? error.errors.map((one) => one.message) : [];
  const why = messages.length > 0 ? messages.join(', ') : error.message || code || 'no answer';
  return new FerryError('network', `the queue can't be reached: ${why}`, {
    ...present({ code }),
    cause: error,
    hint: 'check `queue` in jobs.yml, or FERRYLINE_QUEUE, and that the server is running',
  });
}
