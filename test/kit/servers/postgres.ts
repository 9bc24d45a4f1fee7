/** Debian's PostgreSQL on a free loopback port, with a cluster of its own. */
import { execFile } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { giveTo, isRoot, serverAccount } from '../account.js';
import { temporaryFolder } from '../files/temporary.js';
import { type Restartable, startRestartable } from './restartable.js';
import { startProcess } from './server-process.js';

export interface Postgres extends Restartable {
  /** `postgres://ferry@127.0.0.1:PORT/postgres`; no password is asked for. */
  readonly url: string;
  /** Runs SQL over a connection of its own; the rows of its result. */
  query(sql: string): Promise<Record<string, unknown>[]>;
  /** The whole database as `pg_dump` prints it. */
  dump(): Promise<string>;
}

export interface PostgresOptions {
  /** TLS, with this certificate and key in PEM. */
  readonly tls?: { readonly cert: string; readonly key: string };
  /** Lines of pg_hba.conf before the one that lets everybody in. */
  readonly access?: readonly string[];
}

const superuser = 'ferry';

/**
 * Starts a server on a fresh cluster; the caller stops it. Committed rows survive kill9: without fsync
 * only a power cut loses them.
 */
export async function startPostgres(options: PostgresOptions = {}): Promise<Postgres> {
  const account = serverAccount();
  const programs = newestPrograms();
  const home = await temporaryFolder();
  const data = join(home, 'data');
  await mkdir(data, { mode: 0o700 });
  giveTo(account, home);
  await promisify(execFile)(
    join(programs, 'initdb'),
    [
      ...['--pgdata', data, '--username', superuser, '--auth', 'trust'],
      ...['--encoding', 'UTF8', '--locale', 'C', '--no-sync', '--no-instructions'],
    ],
    { cwd: '/', ...(isRoot ? { uid: account.uid, gid: account.gid } : {}) },
  );
  const { tls, access = [] } = options;
  if (tls !== undefined) {
    await writeFile(join(data, 'server.crt'), tls.cert);
    await writeFile(join(data, 'server.key'), tls.key, { mode: 0o600 });
  }
  const hba = join(data, 'pg_hba.conf');
  await writeFile(hba, [...access, await readFile(hba, 'utf8')].join('\n'));
  giveTo(account, home);
  const settings: Readonly<Record<string, string>> = {
    ssl: tls === undefined ? 'off' : 'on',
    listen_addresses: '127.0.0.1',
    // No socket file: its path could exceed 107 bytes.
    unix_socket_directories: '',
    // In the cluster's folder, which is removed with its tests, not in /dev/shm.
    dynamic_shared_memory_type: 'mmap',
    max_connections: '200',
    fsync: 'off',
  };
  const server = await startRestartable(
    (port) =>
      startProcess(
        join(programs, 'postgres'),
        [
          ...['-D', data, '-p', `${port}`],
          ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
        ],
        { account, cwd: '/' },
      ),
    /database system is ready to accept connections/,
    'SIGQUIT',
  );
  const url = `postgres://${superuser}@127.0.0.1:${server.port}/postgres`;
  return {
    ...server,
    url,
    async query(sql) {
      const client = new pg.Client({ connectionString: url });
      // If the server is killed, the query rejects.
      client.on('error', () => {});
      await client.connect();
      try {
        return (await client.query<Record<string, unknown>>(sql)).rows;
      } finally {
        await client.end();
      }
    },
    async dump() {
      const options = { maxBuffer: 256 * 1024 * 1024 };
      return (await promisify(execFile)(join(programs, 'pg_dump'), [url], options)).stdout;
    },
  };
}

/** The folder of the newest version's programs, which Debian keeps out of PATH. */
function newestPrograms(): string {
  const versions = readdirSync('/usr/lib/postgresql').map(Number);
  return `/usr/lib/postgresql/${Math.max(...versions)}/bin`;
}
