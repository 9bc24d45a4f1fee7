/** Debian's Redis on a free loopback port, as BullMQ needs it: it evicts and loses nothing. */
import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { giveTo, serverAccount } from '../account.js';
import { temporaryFolder } from '../files/temporary.js';
import { type Restartable, startRestartable } from './restartable.js';
import { startProcess } from './server-process.js';

export interface Redis extends Restartable {
  /** `redis://127.0.0.1:PORT` */
  readonly url: string;
  /** `redis://127.0.0.1:PORT/N`: a database that no other call returned. */
  database(): string;
  /** Sends one command through redis-cli; an error reply rejects. */
  command(...args: string[]): Promise<string>;
}

/**
 * Starts a server; the caller stops it. Acknowledged writes survive kill9. `config` has more lines for
 * redis.conf; the last line of a name counts: `maxmemory-policy allkeys-lru`, `maxmemory 5mb`.
 */
export async function startRedis(
  options: { readonly config?: readonly string[] } = {},
): Promise<Redis> {
  const account = serverAccount();
  const home = await temporaryFolder();
  const data = join(home, 'data');
  await mkdir(data);
  const file = join(home, 'redis.conf');
  await writeFile(
    file,
    [
      'bind 127.0.0.1',
      `dir ${data}`,
      'save ""',
      'appendonly yes',
      'appendfsync always',
      'maxmemory-policy noeviction',
      ...(options.config ?? []),
      '',
    ].join('\n'),
  );
  giveTo(account, home);
  const server = await startRestartable(
    (port) =>
      startProcess('/usr/bin/redis-server', [file, '--port', `${port}`], { account, cwd: '/' }),
    /Ready to accept connections/,
  );
  const url = `redis://127.0.0.1:${server.port}`;
  // The bare URL is database 0.
  let databases = 0;
  return {
    ...server,
    url,
    database: () => `${url}/${++databases}`,
    async command(...args) {
      const { stdout } = await promisify(execFile)('/usr/bin/redis-cli', [
        ...['-e', '-p', `${server.port}`],
        ...args,
      ]);
      return stdout.replace(/\n$/, '');
    },
  };
}
