/** Debian's PgBouncer in session mode before a PostgreSQL, on a free loopback port. */
import { writeFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { giveTo, serverAccount } from '../account.js';
import { temporaryFolder } from '../files/temporary.js';
import { type Restartable, startRestartable } from './restartable.js';
import { startProcess } from './server-process.js';

/** The caller stops it. Its database is `postgres`; no password is asked for. */
export async function startPgBouncer(postgresPort: number): Promise<Restartable> {
  const account = serverAccount();
  const home = await temporaryFolder();
  const file = join(home, 'pgbouncer.ini');
  await writeFile(join(home, 'users.txt'), '"ferry" ""\n');
  const config = (port: number) =>
    [
      '[databases]',
      `postgres = host=127.0.0.1 port=${postgresPort}`,
      '[pgbouncer]',
      `listen_addr = 127.0.0.1`,
      `listen_port = ${port}`,
      'unix_socket_dir =',
      'auth_type = trust',
      `auth_file = ${join(home, 'users.txt')}`,
      'pool_mode = session',
      '',
    ].join('\n');
  return startRestartable((port) => {
    writeFileSync(file, config(port));
    giveTo(account, home);
    return startProcess('/usr/sbin/pgbouncer', [file], { account, cwd: '/' });
  }, /process up/);
}
