/** `rclone serve sftp` on a free loopback port, as an ordinary user. It shows its folder as `/`. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { giveTo, serverAccount } from '../account.js';
import { temporaryFolder } from '../files/temporary.js';
import { makeKey } from './keys.js';
import type { RealServer } from './real-server.js';
import { startRestartable } from './restartable.js';
import { startProcess } from './server-process.js';

/** Starts a server of `root` (default: a fresh folder); the caller stops it. */
export async function startRclone(
  options: {
    readonly root?: string;
    /** rclone's --vfs-cache-mode: `off` (its default) accepts writes in order only, and no update of a file. */
    readonly cache?: 'off' | 'writes' | 'full';
  } = {},
): Promise<RealServer> {
  const account = serverAccount();
  const home = await temporaryFolder();
  const keys = await temporaryFolder();
  const root = options.root ?? join(home, 'root');
  await mkdir(root, { recursive: true });
  await mkdir(join(home, 'cache'), { recursive: true });
  const client = makeKey(join(keys, 'client'));
  const hostKey = makeKey(join(home, 'host_ed25519'));
  await writeFile(join(home, 'authorized_keys'), `${client.publicKey}\n`);
  await writeFile(join(home, 'rclone.conf'), '');
  giveTo(account, home);
  giveTo(account, root);
  const args = [
    ...['serve', 'sftp', root],
    ...['--authorized-keys', join(home, 'authorized_keys'), '--key', hostKey.file],
    ...['--config', join(home, 'rclone.conf'), '--cache-dir', join(home, 'cache')],
    ...['--vfs-cache-mode', options.cache ?? 'off', '--vfs-write-back', '0s'],
    ...['--dir-cache-time', '0s', '-vv'],
  ];
  const server = await startRestartable(
    (port) =>
      startProcess('/usr/bin/rclone', [...args, '--addr', `127.0.0.1:${port}`], {
        account,
        cwd: '/',
      }),
    /SFTP server listening on/,
  );
  const knownHostsFile = join(keys, 'known_hosts');
  await writeFile(knownHostsFile, `[127.0.0.1]:${server.port} ${hostKey.publicKey}\n`);
  return {
    host: '127.0.0.1',
    port: server.port,
    username: 'anyone',
    keyFile: client.file,
    hostKeyFingerprint: hostKey.fingerprint,
    knownHostsFile,
    folder: root,
    root: '/',
    log: server.log,
    stop: server.stop,
  };
}
