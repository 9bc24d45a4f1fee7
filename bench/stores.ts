/** Where a daemon's queue is kept: its own folder, or Debian's redis-server and PostgreSQL on loopback with fresh data. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, readdirSync, realpathSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { bytesBelow } from './daemon.js';
import { freePort } from './server.js';

export const storeNames = ['embedded', 'redis', 'postgres'] as const;
export type StoreName = (typeof storeNames)[number];

export interface Store {
  readonly name: StoreName;
  /** As `queue` in jobs.yml takes it. */
  readonly url: string;
  /** Bytes that the queue takes there; `daemon` is the folder of the daemon that uses it. */
  bytes(daemon: string): number;
  /** Loses everything that is in it, as somebody's FLUSHALL does. */
  flush(): void;
  stop(): Promise<void>;
}

/** Starts a store with its data in `folder`, which must be there. */
export function startStore(name: StoreName, folder: string): Promise<Store> {
  if (name === 'redis') return startRedis(folder);
  if (name === 'postgres') return startPostgres(folder);
  return Promise.resolve({
    name,
    url: 'embedded',
    bytes: (daemon) => bytesBelow(join(daemon, 'state/queue')),
    flush() {
      throw new Error('an embedded queue is its daemon’s alone');
    },
    stop: async () => {},
  });
}

async function startRedis(folder: string): Promise<Store> {
  const port = await freePort();
  const stop = await serve(
    'redis-server',
    [
      ...['--bind', '127.0.0.1', '--port', `${port}`, '--dir', folder, '--save', ''],
      ...['--appendonly', 'yes', '--appendfsync', 'everysec', '--maxmemory-policy', 'noeviction'],
    ],
    /Ready to accept connections/,
  );
  return {
    name: 'redis',
    url: `redis://127.0.0.1:${port}`,
    bytes() {
      const info = execFileSync('redis-cli', ['-p', `${port}`, 'info', 'memory'], {
        encoding: 'utf8',
      });
      return Number(info.match(/used_memory_dataset:(\d+)/)?.[1]);
    },
    flush() {
      execFileSync('redis-cli', ['-p', `${port}`, 'flushall'], { stdio: 'ignore' });
    },
    stop,
  };
}

/** PostgreSQL refuses to run as root; its files are then the `postgres` user's, whom Debian's package makes. */
async function startPostgres(folder: string): Promise<Store> {
  const versions = readdirSync('/usr/lib/postgresql').map(Number);
  const programs = `/usr/lib/postgresql/${Math.max(...versions)}/bin`;
  const account = process.getuid?.() === 0 ? accountOf('postgres') : {};
  const data = join(folder, 'data');
  mkdirSync(data);
  if (account.uid !== undefined) {
    execFileSync('chown', ['-R', `${account.uid}:${account.gid}`, data]);
    // It has to come through the folders above, which are the benchmark's own up to the temporary one.
    const top = realpathSync(tmpdir());
    for (let above = folder; above.startsWith(`${top}/`); above = dirname(above))
      chmodSync(above, (statSync(above).mode & 0o7777) | 0o011);
  }
  execFileSync(
    join(programs, 'initdb'),
    ['--pgdata', data, '--username', 'ferry', '--auth', 'trust', '--encoding', 'UTF8'],
    { cwd: '/', stdio: 'ignore', ...account },
  );
  const port = await freePort();
  const stop = await serve(
    join(programs, 'postgres'),
    [
      ...['-D', data, '-p', `${port}`, '-c', 'listen_addresses=127.0.0.1'],
      ...['-c', 'unix_socket_directories=', '-c', 'max_connections=200'],
    ],
    /database system is ready to accept connections/,
    account,
  );
  const url = `postgres://ferry@127.0.0.1:${port}/postgres`;
  return {
    name: 'postgres',
    url,
    bytes() {
      const sql = "select pg_database_size('postgres')";
      return Number(execFileSync('psql', [url, '-Atc', sql], { encoding: 'utf8' }));
    },
    flush() {
      const tables =
        "select string_agg(format('%I.%I', schemaname, tablename), ', ') from pg_tables where schemaname = 'bullmq' and tablename not like '%migration%'";
      const psql = (sql: string) => execFileSync('psql', [url, '-Atc', sql], { encoding: 'utf8' });
      psql(`truncate ${psql(tables).trim()}`);
    },
    stop,
  };
}

interface Account {
  readonly uid?: number;
  readonly gid?: number;
}

function accountOf(user: string): Account {
  const id = (flag: string) => Number(execFileSync('id', [flag, user], { encoding: 'utf8' }));
  return { uid: id('-u'), gid: id('-g') };
}

/** Starts a server and waits for its own word; the function it resolves to ends it. */
async function serve(
  command: string,
  args: readonly string[],
  ready: RegExp,
  account: Account = {},
): Promise<() => Promise<void>> {
  const child = spawn(command, args, { cwd: '/', stdio: ['ignore', 'pipe', 'pipe'], ...account });
  const endWithUs = () => child.kill('SIGQUIT');
  process.once('exit', endWithUs);
  const ended = once(child, 'exit');
  let log = '';
  await new Promise<void>((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => {
        log += text;
        if (ready.test(log)) resolve();
      });
    child.once('error', reject);
    child.once('exit', () => reject(new Error(`${command} did not start:\n${log}`)));
  });
  return async () => {
    // The fast way down, for both: Redis takes it as it is, PostgreSQL would wait for clients on SIGTERM.
    child.kill('SIGINT');
    await ended;
    process.off('exit', endWithUs);
  };
}
