/**
 * Where the queue is kept: a Redis, a Postgres, or a PGlite folder of this process. BullMQ runs on
 * all three; they differ in how to connect and how to check that the store can be used.
 */
import type { ConnectionOptions, QueueOptions } from 'bullmq';
import { FerryError } from '../../core/errors.js';
import { defaultInstallation } from '../../core/job.js';
import { parseQueueUrl } from '../../core/queue-url.js';
import type { OpenedStore, StoreKind, StoreListener } from './opened-store.js';
import { Reachability } from './reachability.js';

/** What BullMQ's classes need to run on a store, and what they report to it. */
export interface Store extends OpenedStore {
  /** The name of a queue of this installation, such as `ferryline-runs` for `runs`. */
  queueName(part: string): string;
  /** An object on the store reported an error: looks at once whether the store can be reached, and warns of an error with another reason. */
  suspect(error: Error): void;
}

/** How many of a queue's events are kept for its listeners; BullMQ's default of 10,000 for each permit would fill most of a store. */
export function keepEvents(maxLen: number): Pick<QueueOptions, 'streams'> {
  return { streams: { events: { maxLen } } };
}

interface StoreOptions extends StoreListener {
  /** `embedded`, `redis://…`, `rediss://…` or `postgres://…`. */
  readonly url: string;
  /** The folder of an embedded store. */
  readonly folder: string;
  /** The installation's name, which all its queues begin with; an embedded store has only one. */
  readonly name?: string;
}

export function storeKind(url: string): StoreKind {
  if (url === 'embedded') return 'embedded';
  return url.startsWith('redis') ? 'redis' : 'postgres';
}

/** Connects. Errors: `auth`, `config` for a store that must not be used as it is, `network` for one that can't be reached. */
export async function openStore(options: StoreOptions): Promise<Store> {
  const reachability = new Reachability(options);
  const isShared = storeKind(options.url) !== 'embedded';
  const name = (isShared && options.name) || defaultInstallation;
  const queueName = (part: string) => `${name}-${part}`;
  const store = await openKind(options, reachability, queueName);
  reachability.begin(store.ping);
  return {
    ...store,
    // Two installations on one server are two stores.
    address: name === defaultInstallation ? store.address : `${store.address} ${name}`,
    queueName,
    suspect: (error) => reachability.suspect(error),
    close() {
      reachability.end();
      return store.close();
    },
  };
}

async function openKind(
  options: StoreOptions,
  reachability: Reachability,
  queueName: Store['queueName'],
): Promise<OpenedStore> {
  switch (storeKind(options.url)) {
    case 'embedded':
      return openEmbedded(options);
    case 'redis':
      return (await import('./redis.js')).openRedis(
        urlOf(options.url),
        queueName('pulse'),
        options,
        reachability,
      );
    case 'postgres':
      return (await import('./postgres.js')).openPostgres(
        urlOf(options.url),
        options,
        reachability,
      );
  }
}

async function openEmbedded({ folder, ...options }: StoreOptions): Promise<OpenedStore> {
  const [{ openFolder }, { createPostgresBackend }] = await Promise.all([
    import('./embedded.js'),
    import('bullmq'),
  ]);
  const pool = await openFolder(folder, options);
  const shared = { connection: pool as unknown as ConnectionOptions };
  return {
    kind: 'embedded',
    address: folder,
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

/** As the libraries read it: in a password as people write it they would find a host. */
function urlOf(written: string): string {
  const url = parseQueueUrl(written)?.url;
  if (url !== undefined) return url;
  throw new FerryError('config', 'the URL of the queue has no valid host and port', {
    hint: 'check `queue` in jobs.yml, or FERRYLINE_QUEUE',
  });
}
