/** A Redis Sentinel that watches a master under the name `runs`, on a free loopback port. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { giveTo, serverAccount } from '../account.js';
import { temporaryFolder } from '../files/temporary.js';
import { type Restartable, startRestartable } from './restartable.js';
import { startProcess } from './server-process.js';

/** The caller stops it. It makes a replica the master once the old one was silent for half a second. */
export async function startSentinel(masterPort: number): Promise<Restartable> {
  const account = serverAccount();
  const home = await temporaryFolder();
  const file = join(home, 'sentinel.conf');
  return startRestartable((port) => {
    const lines = [
      'bind 127.0.0.1',
      `port ${port}`,
      `dir ${home}`,
      `sentinel monitor runs 127.0.0.1 ${masterPort} 1`,
      'sentinel down-after-milliseconds runs 500',
      'sentinel failover-timeout runs 5000',
    ];
    writeFileSync(file, `${lines.join('\n')}\n`);
    giveTo(account, home);
    return startProcess('/usr/bin/redis-server', [file, '--sentinel'], { account, cwd: '/' });
  }, /\+monitor master runs/);
}
