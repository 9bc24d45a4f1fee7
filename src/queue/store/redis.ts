/** A queue kept by a Redis: one connection for all requests; BullMQ makes those that block. */
import { type BackendFactory, createRedisBackend } from 'bullmq';
import { Redis } from 'ioredis';
import { FerryError } from '../../core/errors.js';
import { awayError, storeFailure } from './failures.js';
import type { OpenedStore, StoreListener } from './opened-store.js';
import type { Reachability } from './reachability.js';
import { type RedisSettings, redisOptions } from './redis-url.js';
import { ServerClock, sayApart } from './server-clock.js';

/** A connection on which a request got no byte for this time is replaced. */
const silentMs = 10_000;
/** How long a request waits for a lost connection; after that, all fail at once until there is one. */
const patienceMs = 5000;
/** The longest wait on the server, well below `silentMs`: BullMQ replaces a connection that is overdue. */
const blockSeconds = 5;
/** A key like those of the queues, so that one rule for a user of Redis covers all. */
const pulseKey = 'bull:ferryline-pulse';

/** Connects. Errors: `auth`, `config`, `network`. */
export async function openRedis(
  url: string,
  listener: StoreListener,
  reachability: Reachability,
): Promise<OpenedStore> {
  const settings: RedisSettings = {
    ...(await redisOptions(url).catch((error: Error) => {
      throw storeFailure(error);
    })),
    lazyConnect: true,
    // BullMQ requires this; `failWhileAway` limits how long a command waits.
    maxRetriesPerRequest: null,
    socketTimeout: silentMs,
    connectTimeout: silentMs,
    retryStrategy: (times) => Math.min(100 * 2 ** times, 2000),
    // What has become a replica is left; the command goes to the server that is the master now.
    reconnectOnError: (error) => (error.message.startsWith('READONLY') ? 2 : false),
  };
  const client = new Redis(settings);
  let lastError: Error | undefined;
  failWhileAway(client, () => awayError(lastError));
  sendTogether(client);
  client.on('error', (error) => {
    lastError = error;
    reachability.suspect(error);
  });
  client.on('ready', () => {
    lastError = undefined;
    void reachability.look();
  });
  const now = async () => {
    const [seconds = Number.NaN, microseconds = Number.NaN] = (await client.time()).map(Number);
    return seconds * 1000 + microseconds / 1000;
  };
  const clock = new ServerClock(now, (difference) =>
    sayApart(listener, difference, "slots come by the server's"),
  );
  try {
    await connectOnce(client);
    // Copies connect by themselves: BullMQ gives up for good on one that it must connect when that fails.
    client.options.lazyConnect = false;
    await refuseEviction(client);
    await clock.read();
  } catch (error) {
    client.disconnect();
    throw storeFailure(error as Error);
  }
  return {
    kind: 'redis',
    // BullMQ's look at the version fails when the connection is lost just then, and with it the object for good.
    options: () => ({ connection: client, skipVersionCheck: true }),
    backend: createBoundedBackend,
    async ping() {
      if (client.status !== 'ready')
        throw lastError ?? new Error(`the connection is ${client.status}`);
      // A write, since it fails like the queue's own while the memory or the disk is full.
      try {
        await client.set(pulseKey, '1', 'PX', 60_000);
        await clock.read();
      } catch (error) {
        throw takesNoWrites(error as Error);
      }
    },
    now,
    clock: () => clock.now(),
    async close() {
      client.disconnect();
    },
  };
}

/** BullMQ's backend, whose blocking calls last `blockSeconds` at most. */
const createBoundedBackend: BackendFactory = (...args) => {
  const backend = createRedisBackend(...args);
  const readEvents = backend.readEvents.bind(backend);
  backend.readEvents = (id, waitMs) => readEvents(id, Math.min(waitMs, blockSeconds * 1000));
  return Object.defineProperty(backend, 'maximumBlockTimeout', { value: blockSeconds });
};

/** What ioredis sends before a connection is ready. */
const handshake = new Set(['hello', 'auth', 'select', 'client', 'info']);

/**
 * Makes commands fail once the connection has been lost for `patienceMs`, those that wait for it
 * too. ioredis by itself would keep every command until the connection is back, and send it then,
 * long after its caller learnt that it failed.
 */
function failWhileAway(client: Redis, reason: () => Error): void {
  const send = client.sendCommand.bind(client);
  let isAway = false;
  let timer: NodeJS.Timeout | undefined;
  client.on('close', () => {
    timer ??= setTimeout(() => {
      isAway = true;
      rejectWaiting(client, reason());
    }, patienceMs).unref();
  });
  client.on('ready', () => {
    clearTimeout(timer);
    timer = undefined;
    isAway = false;
  });
  client.sendCommand = (command, stream) => {
    if (!isAway || handshake.has(command.name)) return send(command, stream);
    command.reject(reason());
    return command.promise;
  };
}

/** Sends what is asked for in one turn of the event loop in one system call. */
function sendTogether(client: Redis): void {
  const send = client.sendCommand.bind(client);
  let corked: Redis['stream'] | undefined;
  client.sendCommand = (command, stream) => {
    const socket = client.stream;
    if (socket !== undefined && socket !== corked) {
      corked = socket;
      socket.cork();
      setImmediate(() => {
        socket.uncork();
        if (corked === socket) corked = undefined;
      });
    }
    return send(command, stream);
  };
}

/** Rejects the commands that wait to be sent, or to be sent again: ioredis has no public way. */
function rejectWaiting(client: Redis, reason: Error): void {
  const { offlineQueue, prevCommandQueue } = client as unknown as Record<
    'offlineQueue' | 'prevCommandQueue',
    { shift(): { command: { reject(error: Error): void } } | undefined } | null | undefined
  >;
  for (const waiting of [prevCommandQueue, offlineQueue])
    for (let item = waiting?.shift(); item !== undefined; item = waiting?.shift())
      item.command.reject(reason);
}

/** Makes the first connection, with one attempt: ioredis itself would try for ever. */
function connectOnce(client: Redis): Promise<void> {
  return new Promise((resolve, reject) => {
    client.once('error', reject);
    client.connect().then(resolve, reject);
  });
}

function takesNoWrites(error: Error): FerryError {
  const failure = storeFailure(error);
  if (failure.kind !== 'network' || !/^[A-Z]{3,} /.test(error.message)) return failure;
  return new FerryError('network', `Redis takes no writes: ${error.message}`, {
    cause: error,
    hint: 'give the server more memory or disk, or fix the cause that it names',
  });
}

/** Rejects when Redis may evict entries under memory pressure: it would silently lose runs. */
async function refuseEviction(client: Redis): Promise<void> {
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
