/** OpenSSH's sshd on loopback, under the account of whoever runs the benchmark, with keys of its own. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** The only cipher it offers, so that everybody uses the same. */
export const cipher = 'aes128-gcm@openssh.com';

export interface Server {
  readonly port: number;
  /** The client's private key. */
  readonly keyFile: string;
  /** Its host key, as in known_hosts: `type base64`. */
  readonly hostKey: string;
  /** All it logged. */
  log(): string;
  /** Resolves when no connection is left, so that nothing of one run reaches into the next. */
  idle(): Promise<void>;
  stop(): Promise<void>;
}

/** Starts it with its files in `folder`, which must be there. */
export async function startServer(folder: string): Promise<Server> {
  const [clientKey, hostKey] = [makeKey(join(folder, 'client')), makeKey(join(folder, 'host'))];
  writeFileSync(join(folder, 'authorized_keys'), `${clientKey.publicKey}\n`);
  // Root's sshd separates privileges and wants this folder.
  if (process.getuid?.() === 0) mkdirSync('/run/sshd', { recursive: true });
  const port = await freePort();
  writeFileSync(
    join(folder, 'sshd_config'),
    [
      `ListenAddress 127.0.0.1:${port}`,
      `HostKey ${hostKey.file}`,
      `AuthorizedKeysFile ${join(folder, 'authorized_keys')}`,
      `Ciphers ${cipher}`,
      'PidFile none',
      'StrictModes no',
      'UsePAM no',
      'UseDNS no',
      'PermitRootLogin yes',
      'PasswordAuthentication no',
      'KbdInteractiveAuthentication no',
      // Some peers log in once for each file that they have in flight.
      'MaxStartups 1000',
      'MaxSessions 100',
      // What the account's shell does at its start is nobody's burden.
      `SetEnv HOME=${folder}`,
      'Subsystem sftp /usr/lib/openssh/sftp-server',
      '',
    ].join('\n'),
  );

  const child = spawn('/usr/sbin/sshd', ['-D', '-e', '-f', join(folder, 'sshd_config')], {
    cwd: '/',
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let log = '';
  const ended = once(child, 'exit');
  await new Promise<void>((resolve, reject) => {
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      log += text;
      if (log.includes('Server listening')) resolve();
    });
    child.once('error', reject);
    child.once('exit', () => reject(new Error(`sshd did not start:\n${log}`)));
  });
  return {
    port,
    keyFile: clientKey.file,
    hostKey: hostKey.publicKey,
    log: () => log,
    async idle() {
      while (child.pid !== undefined && hasChildren(child.pid)) await sleep(20);
    },
    async stop() {
      child.kill();
      await ended;
    },
  };
}

function makeKey(file: string): { readonly file: string; readonly publicKey: string } {
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', '', '-f', file]);
  return { file, publicKey: readFileSync(`${file}.pub`, 'utf8').trim() };
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** One child for each connection, by the parents' ids in /proc. */
function hasChildren(parent: number): boolean {
  return readdirSync('/proc').some((name) => {
    if (!/^\d+$/.test(name)) return false;
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
      return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]) === parent;
    } catch {
      return false; // It ended while we looked.
    }
  });
}
