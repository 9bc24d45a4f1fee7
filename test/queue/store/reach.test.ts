/** How a store is reached: TLS, users with few rights, Sentinel, Cluster, PgBouncer; and logins that are refused. */
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { asFerryError } from '../../../src/core/errors.js';
import type { RunRequest } from '../../../src/core/request.js';
import { consume } from '../../../src/queue/consume.js';
import { installationOf } from '../../../src/queue/installation.js';
import { openPauses } from '../../../src/queue/pauses.js';
import { openPermits } from '../../../src/queue/permits.js';
import { openRunQueue } from '../../../src/queue/runs.js';
import { openSignals } from '../../../src/queue/signals.js';
import { openSlots } from '../../../src/queue/slots.js';
import { openStore, type Store } from '../../../src/queue/store/store.js';
import { openWorkers } from '../../../src/queue/workers.js';
import { temporaryFolder } from '../../kit/files/temporary.js';
import { type Authority, createAuthority } from '../../kit/servers/authority.js';
import { freePort } from '../../kit/servers/free-port.js';
import { startPgBouncer } from '../../kit/servers/pgbouncer.js';
import { type Postgres, startPostgres } from '../../kit/servers/postgres.js';
import { type Redis, startRedis } from '../../kit/servers/redis.js';
import { startRedisCluster } from '../../kit/servers/redis-cluster.js';
import { startSentinel } from '../../kit/servers/sentinel.js';

async function openAt(url: string, onWarning: (text: string) => void = () => {}): Promise<Store> {
  const onTrouble = (error: Error | undefined) => error && onWarning(error.message);
  const store = await openStore({ url, folder: '', onTrouble, onWarning });
  onTestFinished(() => store.close());
  return store;
}

/** Everything that a daemon does with a store, once: a request made here is carried out and recorded. */
async function works(store: Store): Promise<void> {
  const errors: Error[] = [];
  const onError = (error: Error) => void errors.push(error);
  await installationOf(store, onError);
  const signals = await openSignals(store, onError);
  const runs = await openRunQueue(store, signals, onError);
  const slots = openSlots(store, onError);
  const workers = openWorkers(store, onError);
  const pauses = await openPauses({ store, state: await temporaryFolder(), onError });
  await pauses.pause({ scope: 'job', job: 'other' }, { by: 'a test' });
  const decided = new Promise<void>((resolve) => {
    slots.decide({
      async decide() {
        resolve();
        return { end: 'skipped', why: 'a test' };
      },
      outlived: () => undefined,
      left: () => {},
    });
  });
  await slots.add({ job: 'other', slot: Date.now(), how: 'due' });
  const taken: RunRequest[] = [];
  const consumer = consume(store, {
    workers: [undefined],
    takePlace: () => () => {},
    async carryOut({ request }) {
      taken.push(request);
      return { next: 'retry', why: 'that it was taken is enough', after: 60_000 };
    },
    onGivenUp: () => {},
    onEnded: () => {},
    onError,
  });
  await runs.request(
    { run: 'r1', job: 'job', trigger: 'manual' },
    { worker: undefined, attempts: 2 },
  );
  await vi.waitFor(() => expect(taken).toMatchObject([{ run: 'r1' }]), 30_000);
  await decided;
  const permits = openPermits(store, signals, onError);
  await (await permits.take('remote-archive', 2, new AbortController().signal)).release();
  await permits.close();
  await runs.list(10);
  await slots.skipped(undefined, 10);
  await workers.known();
  await store.ping();
  expect(errors).toEqual([]);
  await Promise.all([
    consumer.close(),
    pauses.close(),
    slots.close(),
    runs.close(),
    signals.close(),
    workers.close(),
  ]);
}

/** Requests the run r2 and takes it; `end` lets it wait for another minute. */
async function oneInHand(store: Store) {
  const signals = await openSignals(store, () => {});
  const runs = await openRunQueue(store, signals, () => {});
  let end = () => {};
  const taken = new Promise<void>((resolve) => {
    const consumer = consume(store, {
      workers: [undefined],
      takePlace: () => () => {},
      carryOut: async ({ request }) => {
        resolve();
        await new Promise<void>((ended) => {
          end = ended;
        });
        return { next: 'wait', until: Date.now() + 60_000 + request.run.length };
      },
      onGivenUp: () => {},
      onEnded: () => {},
      onError: () => {},
    });
    onTestFinished(() => consumer.close());
  });
  await runs.request(
    { run: 'r2', job: 'job', trigger: 'manual' },
    { worker: undefined, attempts: 2 },
  );
  await taken;
  return { runs, end: () => end() };
}

async function failure(url: string) {
  return asFerryError(await openAt(url).catch((thrown: unknown) => thrown));
}

let authority: Authority;
beforeAll(async () => {
  authority = await createAuthority();
});

/** The rule that docs/running.md lists. */
const rights = [
  ...['~bull:ferryline-*', 'resetchannels', '-@all', '+@read', '+@write', '+@blocking'],
  ...['+@scripting', '+@transaction', '+@connection', '+time', '+info'],
];

describe('Redis', () => {
  let redis: Redis;
  let secure: string;
  beforeAll(async () => {
    const port = await freePort();
    redis = await startRedis({
      config: [
        `tls-port ${port}`,
        `tls-cert-file ${authority.certFile}`,
        `tls-key-file ${authority.keyFile}`,
        `tls-ca-cert-file ${authority.caFile}`,
        'tls-auth-clients optional',
        `user limited on >few ${rights.join(' ')}`,
        'user blind on >none ~* +@connection',
        'requirepass secret',
      ],
    });
    secure = `rediss://limited:few@127.0.0.1:${port}`;
  });
  afterAll(() => redis.stop());

  test('TLS by its authority, a certificate of our own, and a user limited to our keys', async () => {
    const { caFile, certFile, keyFile } = authority;
    await works(await openAt(`${secure}/0?cacert=${caFile}&cert=${certFile}&key=${keyFile}`));
    // Nothing was refused, not even inside BullMQ's scripts.
    const log = await redis.command('--no-auth-warning', '-a', 'secret', 'acl', 'log');
    expect(log).toBe('');
  }, 60_000);

  test('a certificate by nobody known, and files and keys that do not exist, end the start', async () => {
    expect(await failure(secure)).toMatchObject({
      kind: 'config',
      message: expect.stringMatching(/TLS failed: .*certificate/),
      hint: expect.stringContaining('?cacert=FILE'),
    });
    expect(await failure(`${secure}?cacert=/nonexistent/ca`)).toMatchObject({
      kind: 'config',
      message: expect.stringContaining('/nonexistent/ca'),
    });
    expect(await failure(`${redis.url}?cacrt=x`)).toMatchObject({
      kind: 'config',
      message: "the queue's URL has an unknown key, cacrt",
    });
  }, 60_000);

  test.each([
    ['', /refuses the login: NOAUTH/, /check the user and the password/],
    [':wrong@', /refuses the login: WRONGPASS/, /check the user and the password/],
    ['blind:none@', /refuses the login: NOPERM/, /give this user the rights/],
  ])('the login %s is refused as one', async (login, message, hint) => {
    const error = await failure(redis.url.replace('//', `//${login}`));
    expect([error.kind, error.message, error.hint]).toEqual([
      'auth',
      expect.stringMatching(message),
      expect.stringMatching(hint),
    ]);
  });

  test('a login that stops working is reported', async () => {
    const told: string[] = [];
    const command = (...args: string[]) =>
      redis.command('--no-auth-warning', '-a', 'secret', ...args);
    await command('acl', 'setuser', 'guest', 'on', '>gone', ...rights);
    await openAt(redis.url.replace('//', '//guest:gone@'), (text) => told.push(text));
    await command('acl', 'deluser', 'guest');
    await vi.waitFor(() => expect(told.join('\n')).toMatch(/WRONGPASS/), 30_000);
  }, 60_000);
});

test('a Redis Cluster: all keys on one node, whose replica takes over with the run in hand', async () => {
  const cluster = await startRedisCluster('{bull}');
  onTestFinished(() => cluster.stop());
  const [owner, replica, ...others] = cluster.nodes as [Redis, Redis, Redis, Redis];
  expect(await failure(owner.url)).toMatchObject({
    kind: 'config',
    hint: expect.stringContaining('redis+cluster://HOST:PORT'),
  });
  expect(await failure(`${cluster.url}/1`)).toMatchObject({
    message: 'a Redis Cluster has database 0 only, not 1',
  });
  const ours = ['~{bull}:ferryline-*', ...rights.slice(1), '+cluster|slots', '+cluster|info'];
  for (const node of cluster.nodes)
    await node.command('acl', 'setuser', 'limited', 'on', '>few', ...ours);
  await works(await openAt(cluster.url.replace('//', '//limited:few@')));
  for (const node of cluster.nodes) expect(await node.command('acl', 'log')).toBe('');
  for (const node of others) expect(await node.command('dbsize')).toBe('0');

  const store = await openAt(cluster.url);
  const { runs, end } = await oneInHand(store);
  await owner.command('wait', '1', '10000');
  await owner.kill9();
  await vi.waitFor(
    async () => expect(await replica.command('info', 'replication')).toContain('role:master'),
    { timeout: 30_000, interval: 100 },
  );
  await vi.waitFor(() => store.ping(), { timeout: 30_000, interval: 100 });
  end();
  await vi.waitFor(async () => expect((await runs.find('r2'))?.state).toBe('delayed'), 30_000);

  // Another node gets all keys while processes work with them: they follow.
  await cluster.moveSlot('{bull}', replica, others[0] as Redis);
  expect((await runs.find('r2'))?.state).toBe('delayed');
  await runs.request(
    { run: 'r3', job: 'other', trigger: 'manual' },
    { worker: undefined, attempts: 2 },
  );
  await vi.waitFor(async () => expect((await runs.find('r3'))?.state).toBe('active'), 30_000);
  end();
}, 120_000);

test('a single Redis that is called a Cluster is refused', async () => {
  const redis = await startRedis();
  onTestFinished(() => redis.stop());
  expect((await failure(redis.url.replace('redis:', 'redis+cluster:'))).message).toContain(
    'cluster support disabled',
  );
}, 30_000);

test('Redis Sentinel: a run in hand is recorded by the replica that became the master', async () => {
  const master = await startRedis();
  onTestFinished(() => master.stop());
  const replica = await startRedis({ config: [`replicaof 127.0.0.1 ${master.port}`] });
  onTestFinished(() => replica.stop());
  const sentinel = await startSentinel(master.port);
  onTestFinished(() => sentinel.stop());
  await vi.waitFor(() => expect(sentinel.log()).toMatch(/\+slave/), 30_000);

  const store = await openAt(`redis+sentinel://127.0.0.1:${sentinel.port}/runs/0`);
  const { runs, end } = await oneInHand(store);
  await master.command('wait', '1', '10000');
  await master.kill9();
  await vi.waitFor(() => expect(sentinel.log()).toMatch(/\+switch-master/), 30_000);
  await vi.waitFor(() => store.ping(), { timeout: 30_000, interval: 100 });
  end();
  await vi.waitFor(async () => expect((await runs.find('r2'))?.state).toBe('delayed'), 30_000);
}, 120_000);

describe('PostgreSQL', () => {
  let postgres: Postgres;
  let address: string;
  beforeAll(async () => {
    postgres = await startPostgres({
      tls: authority,
      access: ['hostssl all ida 127.0.0.1/32 scram-sha-256', 'host all ida 127.0.0.1/32 reject'],
    });
    await postgres.query("CREATE ROLE ida LOGIN PASSWORD 'pass'");
    await postgres.query('GRANT CREATE ON DATABASE postgres TO ida');
    address = `127.0.0.1:${postgres.port}/postgres`;
  });
  afterAll(() => postgres.stop());

  test('TLS by its authority, and encryption alone as psql does it', async () => {
    await openAt(`postgres://ida:pass@${address}?sslmode=require`);
    await works(
      await openAt(
        `postgres://ida:pass@${address}?sslmode=verify-full&sslrootcert=${authority.caFile}`,
      ),
    );
    const [row] = await postgres.query(
      "SELECT count(*)::int AS connections, bool_and(ssl) AS all_tls FROM pg_stat_activity JOIN pg_stat_ssl USING (pid) WHERE usename = 'ida'",
    );
    expect(row).toMatchObject({ all_tls: true });
    expect(row?.connections).toBeLessThanOrEqual(11);
  }, 60_000);

  test.each([
    ['ida:wrong', '?sslmode=require', 'auth', /refuses the login: password authentication failed/],
    ['ida', '?sslmode=require', 'auth', /refuses the login: SASL/],
    ['ida:pass', '', 'auth', /refuses the login: .*pg_hba.conf/],
    ['nobody:pass', '', 'auth', /refuses the login: role "nobody" does not exist/],
    ['ida:pass', '?sslmode=verify-full', 'config', /TLS failed: .*certificate/],
    ['ida:pass', '?sslmode=verify-full&sslrootcert=/nonexistent', 'config', /\/nonexistent/],
  ])('%s with %s ends the start', async (login, query, kind, message) => {
    const error = await failure(`postgres://${login}@${address}${query}`);
    expect([error.kind, error.message]).toEqual([kind, expect.stringMatching(message)]);
  });

  test('a database that does not exist ends the start, with what to do', async () => {
    expect(await failure(`postgres://ferry@127.0.0.1:${postgres.port}/none`)).toMatchObject({
      kind: 'auth',
      message: expect.stringContaining('database "none" does not exist'),
      hint: expect.stringContaining('create the database'),
    });
  });

  test('through PgBouncer in session mode', async () => {
    const bouncer = await startPgBouncer(postgres.port);
    onTestFinished(() => bouncer.stop());
    await postgres.query('DROP SCHEMA IF EXISTS bullmq CASCADE');
    await works(await openAt(`postgres://ferry@127.0.0.1:${bouncer.port}/postgres`));
    expect(await failure(`postgres://ferry@127.0.0.1:${bouncer.port}/none`)).toMatchObject({
      kind: 'auth',
    });
  }, 60_000);
});
