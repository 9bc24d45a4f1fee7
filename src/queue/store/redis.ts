/**
 * A queue kept by a Redis: one connection for all requests; BullMQ makes those that block. In a
 * Cluster all our keys are in one slot, and so on one node, which is asked for everything.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type BackendFactory, createRedisBackend } from 'bullmq';
import { Cluster, type Command, Redis } from 'ioredis';
import { FerryError } from '../../core/errors.js';
import { inTime } from '../in-time.js';
import { awayError, storeFailure } from './failures.js';
import type { OpenedStore, StoreListener } from './opened-store.js';
import type { Reachability } from './reachability.js';
import { type RedisAddress, type RedisSettings, redisAddress } from './redis-url.js';
import { ServerClock, sayApart } from './server-clock.js';

/** A connection on which a request got no byte for this time is replaced. */
const silentMs = 10_000;
/** A first connection must be made within this time; each address of a server may take `silentMs`. */
const openWithinMs = 30_000;
/** How long a request waits for a lost connection; after that, all fail at once until there is one. */
const patienceMs = 5000;
/** The longest wait on the server, well below `silentMs`: BullMQ replaces a connection that is overdue. */
const blockSeconds = 5;
/** What the names of all keys begin with; BullMQ's own default, and in a Cluster the same as a hash tag. */
const [prefix, clusterPrefix] = ['bull', '{bull}'];

/** Connects. `pulse` names the key that is written to see whether the server takes writes. Errors: `auth`, `config`, `network`. */
export async function openRedis(
  url: string,
  pulse: string,
  listener: StoreListener,
  reachability: Reachability,
): Promise<OpenedStore> {
  const address = await redisAddress(url).catch((error: Error) => {
    throw storeFailure(error);
  });
  const client = clientFor(address);
  const keys = address.cluster === undefined ? prefix : clusterPrefix;
  // A key like those of the queues, so that one rule for a user of Redis covers all.
  const pulseKey = `${keys}:${pulse}`;
  let lastError: Error | undefined;
  failWhileAway(client, () => awayError(lastError));
  if (client instanceof Redis) sendTogether(client);
  client.on('error', (thrown: Error) => {
    lastError = reasonOf(thrown);
    reachability.suspect(lastError);
  });
  client.on('ready', () => {
    lastError = undefined;
    void reachability.look();
  });
  // A Cluster would ask any node, perhaps a dead one; a key leads to the one that has the queue.
  const ask = (cluster: Cluster, command: string) =>
    cluster.eval(`return redis.call('${command}')`, 1, pulseKey);
  const facts = async () =>
    client instanceof Cluster ? String(await ask(client, 'INFO')) : client.info();
  const now = async () => {
    const time =
      client instanceof Cluster ? ((await ask(client, 'TIME')) as string[]) : await client.time();
    const [seconds = Number.NaN, microseconds = Number.NaN] = time.map(Number);
    return seconds * 1000 + microseconds / 1000;
  };
  const clock = new ServerClock(now, (difference) =>
    sayApart(listener, difference, "slots come by the server's"),
  );
  try {
    await inTime(connectOnce(client), openWithinMs);
    // Copies connect by themselves: BullMQ gives up for good on one that it must connect when that fails.
    client.options.lazyConnect = false;
    refuseUnfit(await inTime(facts()), address);
    await inTime(clock.read());
  } catch (error) {
    client.disconnect();
    throw storeFailure(error as Error);
  }
  return {
    kind: 'redis',
    address: address.name,
    // BullMQ's look at the version fails when the connection is lost just then, and with it the object for good.
    options: () => ({ connection: client, prefix: keys, skipVersionCheck: true }),
    backend: boundedBackend(clock),
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

/** Messages of this time are read at once, milliseconds: under load each would be a request of its own, in every process. */
const readTogetherMs = 5;
/** Where the script that takes an entry is given the time: after eleven keys and the prefix. */
const timeOfTaking = 12;

/**
 * BullMQ's backend, whose blocking calls last `blockSeconds` at most. When an entry that waits for a moment
 * is due goes by the server's clock: BullMQ goes by each client's, and what a machine ten minutes ahead puts
 * off for a second would wait for ten minutes.
 */
function boundedBackend(clock: ServerClock): BackendFactory {
  return (...args) => {
    const backend = createRedisBackend(...args);
    const readEvents = backend.readEvents.bind(backend);
    let readAt = Number.NEGATIVE_INFINITY;
    backend.readEvents = async (id, waitMs) => {
      // BullMQ closes a connection that is overdue to replace it. If it breaks in that moment, as when the
      // process was stopped for longer than `silentMs`, BullMQ leaves it closed, and every read of it fails.
      const client = await backend.client;
      if (client.status === 'end') await client.connect();
      // Last, since the queue may be closed meanwhile: its connection must not be made again then.
      const tooSoonMs = readAt + readTogetherMs - performance.now();
      if (tooSoonMs > 0) await sleep(tooSoonMs);
      const events = await readEvents(id, Math.min(waitMs, blockSeconds * 1000));
      readAt = performance.now();
      return events;
    };
    const putOff = backend.moveToDelayed.bind(backend);
    backend.moveToDelayed = (id, _now, delay, ...more) => putOff(id, clock.now(), delay, ...more);
    const execute = backend.execCommand.bind(backend);
    backend.execCommand = (client, script, given) =>
      execute(
        client,
        script,
        script === 'moveToActive' ? given.with(timeOfTaking, clock.now()) : given,
      );
    return Object.defineProperty(backend, 'maximumBlockTimeout', { value: blockSeconds });
  };
}

function clientFor({ settings, cluster }: RedisAddress): Redis | Cluster {
  const connection: RedisSettings = {
    ...settings,
    // BullMQ requires this; `failWhileAway` limits how long a command waits.
    maxRetriesPerRequest: null,
    socketTimeout: silentMs,
    connectTimeout: silentMs,
  };
  const retryStrategy = (times: number) => Math.min(100 * 2 ** times, 2000);
  if (cluster !== undefined)
    return new Cluster([...cluster], {
      lazyConnect: true,
      clusterRetryStrategy: retryStrategy,
      redisOptions: connection,
      // Certificates name hosts; the nodes know one another by address.
      ...(settings.tls !== undefined && { dnsLookup: (name, found) => found(null, name) }),
    });
  return new Redis({
    ...connection,
    lazyConnect: true,
    retryStrategy,
    // What has become a replica is left; the command goes to the server that is the master now.
    reconnectOnError: (error) => (error.message.startsWith('READONLY') ? 2 : false),
  });
}

/** A Cluster reports that no node could be used, and why the last one could not in a field of its own. */
function reasonOf(error: Error): Error {
  return (error as { readonly lastNodeError?: Error }).lastNodeError ?? error;
}

/** What ioredis sends before a connection is ready; in a Cluster it asks for its state. */
const handshake = new Set(['hello', 'auth', 'select', 'client', 'info', 'cluster']);

/**
 * Makes commands fail once the connection has been lost for `patienceMs`, those that wait for it
 * too. ioredis by itself would keep every command until the connection is back, and send it then,
 * long after its caller learnt that it failed.
 */
function failWhileAway(client: Redis | Cluster, reason: () => Error): void {
  type Send = (command: Command, ...more: unknown[]) => unknown;
  const send = client.sendCommand.bind(client) as Send;
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
  // A Cluster has one argument more than a single server: the node of a pipeline.
  client.sendCommand = (command: Command, ...more: unknown[]) => {
    if (!isAway || handshake.has(command.name)) return send(command, ...more);
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
function rejectWaiting(client: Redis | Cluster, reason: Error): void {
  const { offlineQueue, prevCommandQueue } = client as unknown as Record<
    'offlineQueue' | 'prevCommandQueue',
    { shift(): { command: { reject(error: Error): void } } | undefined } | null | undefined
  >;
  for (const waiting of [prevCommandQueue, offlineQueue])
    for (let item = waiting?.shift(); item !== undefined; item = waiting?.shift())
      item.command.reject(reason);
}

/** Makes the first connection, with one attempt: ioredis itself would try for ever. */
function connectOnce(client: Redis | Cluster): Promise<void> {
  return new Promise((resolve, reject) => {
    client.once('error', (error: Error) => reject(reasonOf(error)));
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

/** Throws for a Redis that is not used as it must be, and for one that may evict entries under memory pressure: it would silently lose runs. `facts`: what INFO says. */
function refuseUnfit(facts: string, { cluster }: RedisAddress): void {
  if (cluster === undefined && /cluster_enabled:1/.test(facts))
    throw new FerryError('config', "the queue's Redis is a node of a Redis Cluster", {
      hint: 'write redis+cluster://HOST:PORT,HOST:PORT with some of its nodes',
    });
  const policy = /maxmemory_policy:(\S+)/.exec(facts)?.[1];
  if (policy === undefined || policy === 'noeviction') return;
  throw new FerryError(
    'config',
    `the queue's Redis has maxmemory-policy ${policy}: when its memory is full, it would delete runs`,
    {
      hint: 'run `redis-cli config set maxmemory-policy noeviction`, and set the same in redis.conf',
    },
  );
}
