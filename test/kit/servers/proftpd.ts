/** ProFTPD's mod_sftp on a free loopback port, as an ordinary user, by key or password. */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { giveTo, serverAccount } from '../account.js';
import { temporaryFolder } from '../files/temporary.js';
import { makeKey } from './keys.js';
import type { RealServer } from './real-server.js';
import { startRestartable } from './restartable.js';
import { startProcess } from './server-process.js';

export interface Proftpd extends RealServer {
  readonly password: string;
}

/** Starts a server whose login folder is `root` (default: a fresh one); the caller stops it. */
export async function startProftpd(
  options: {
    readonly root?: string;
    readonly config?: readonly string[];
    /** Methods of login, in ProFTPD's words: `password+publickey` wants both, in this order. */
    readonly authMethods?: string;
  } = {},
): Promise<Proftpd> {
  const account = serverAccount();
  const home = await temporaryFolder();
  const keys = await temporaryFolder();
  const root = options.root ?? join(home, 'root');
  await mkdir(root, { recursive: true });
  const client = makeKey(join(keys, 'client'));
  const hostKey = makeKey(join(home, 'host_ed25519'));
  const rfc4716 = execFileSync('ssh-keygen', ['-e', '-m', 'RFC4716', '-f', `${client.file}.pub`]);
  await writeFile(join(home, 'authorized_keys'), rfc4716);
  const password = 'open sesame';
  const hash = execFileSync('openssl', ['passwd', '-6', password], { encoding: 'utf8' }).trim();
  const username = 'partner';
  await writeFile(
    join(home, 'passwd'),
    `${username}:${hash}:${account.uid}:${account.gid}::${root}:/bin/sh\n`,
    { mode: 0o600 },
  );
  const configFile = join(home, 'proftpd.conf');
  const config = (port: number) =>
    [
      'ModulePath /usr/lib/proftpd',
      'LoadModule mod_sftp.c',
      'ServerType standalone',
      'ServerName ferryline-test',
      'DefaultAddress 127.0.0.1',
      'SocketBindTight on',
      `Port ${port}`,
      `User ${account.username}`,
      `Group ${execFileSync('id', ['-gn', account.username], { encoding: 'utf8' }).trim()}`,
      'UseReverseDNS off',
      'UseIPv6 off',
      'WtmpLog off',
      `PidFile ${join(home, 'pid')}`,
      `ScoreboardFile ${join(home, 'scoreboard')}`,
      'DelayEngine off',
      'ControlsEngine off',
      'MaxInstances 100',
      'Umask 022',
      'AllowOverwrite on',
      'RequireValidShell off',
      'AuthOrder mod_auth_file.c',
      `AuthUserFile ${join(home, 'passwd')}`,
      'TransferLog none',
      'SFTPEngine on',
      `SFTPLog ${join(home, 'sftp.log')}`,
      `SFTPHostKey ${hostKey.file}`,
      `SFTPAuthorizedUserKeys file:${join(home, 'authorized_keys')}`,
      `SFTPAuthMethods ${options.authMethods ?? 'publickey password'}`,
      ...(options.config ?? []),
      '',
    ].join('\n');
  giveTo(account, home);
  giveTo(account, root);
  const server = await startRestartable((port) => {
    writeFileSync(configFile, config(port));
    const args = ['--nodaemon', '--config', configFile];
    return startProcess('/usr/sbin/proftpd', args, { account, cwd: '/' });
  }, /standalone mode STARTUP/);
  await listening(server.port);
  const knownHostsFile = join(keys, 'known_hosts');
  await writeFile(knownHostsFile, `[127.0.0.1]:${server.port} ${hostKey.publicKey}\n`);
  return {
    host: '127.0.0.1',
    port: server.port,
    username,
    keyFile: client.file,
    hostKeyFingerprint: hostKey.fingerprint,
    knownHostsFile,
    folder: root,
    root,
    password,
    log: server.log,
    stop: server.stop,
  };
}

/** Waits until ProFTPD listens: it logs that it has started shortly before. */
async function listening(port: number): Promise<void> {
  for (let tries = 1; ; tries++) {
    const socket = createConnection(port, '127.0.0.1');
    try {
      await once(socket, 'connect');
      return;
    } catch (error) {
      if (tries === 500) throw error;
      await setTimeout(20);
    } finally {
      socket.destroy();
    }
  }
}
