/**
 * The temporary server of the demo, on loopback and with keys of its own: the machine's sshd if there
 * is one, else ours (test-server/). It leaves nothing behind.
 */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rmdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { userName } from '../../ssh/ssh-config/user-name.js';
import { makeKeyPair, startDemoServer } from '../../test-server/ssh-server.js';

export interface DemoHost {
  /** A description for people. */
  readonly what: string;
  readonly port: number;
  readonly username: string;
  /** The path of the served folder for the client. */
  readonly root: string;
  readonly keyFile: string;
  readonly knownHostsFile: string;
  stop(): Promise<void>;
}

/** Serves `served` with the machine's sshd; undefined if there is none or it does not start. `folder` is for its keys. */
export async function startMachineSshd(
  folder: string,
  served: string,
): Promise<DemoHost | undefined> {
  const sshd = inPath('sshd', ['/usr/sbin', '/usr/local/sbin']);
  const keygen = inPath('ssh-keygen');
  if (sshd === undefined || keygen === undefined) return undefined;
  const key = async (name: string) => {
    const file = join(folder, name);
    await promisify(execFile)(keygen, ['-q', '-t', 'ed25519', '-N', '', '-C', 'demo', '-f', file]);
    return { file, publicKey: (await readFile(`${file}.pub`, 'utf8')).trim() };
  };
  const [host, client] = [await key('host_key'), await key('client_key')];
  await writeFile(join(folder, 'authorized_keys'), `${client.publicKey}\n`);
  const port = await freePort();
  const configFile = join(folder, 'sshd_config');
  await writeFile(
    configFile,
    [
      `ListenAddress 127.0.0.1:${port}`,
      `HostKey ${host.file}`,
      `AuthorizedKeysFile ${join(folder, 'authorized_keys')}`,
      'PidFile none',
      'StrictModes no',
      'UsePAM no',
      'PermitRootLogin yes',
      'PasswordAuthentication no',
      'Subsystem sftp internal-sftp',
      '',
    ].join('\n'),
  );
  // Run by root, sshd needs this folder, which a service would have made.
  const madeRunFolder = process.getuid?.() === 0 && (await madeFolder('/run/sshd'));
  const child = spawn(sshd, ['-D', '-e', '-f', configFile], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const exit = once(child, 'exit').catch(() => undefined);
  const stop = async () => {
    child.kill();
    await exit;
    if (madeRunFolder) await rmdir('/run/sshd').catch(() => undefined);
  };
  const listens = new Promise<boolean>((resolve) => {
    let log = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      log += text;
      if (log.includes('Server listening')) resolve(true);
    });
    void exit.then(() => resolve(false));
  });
  if (!(await listens)) {
    await stop();
    return undefined;
  }
  return {
    what: `this machine's sshd`,
    port,
    username: userName(process.env),
    root: served,
    keyFile: client.file,
    knownHostsFile: await writeKnownHosts(folder, port, host.publicKey),
    stop,
  };
}

/** Serves `served` from this process. */
export async function startOwnServer(folder: string, served: string): Promise<DemoHost> {
  const { privateKey, publicKey } = makeKeyPair();
  const keyFile = join(folder, 'own_client_key');
  await writeFile(keyFile, privateKey, { mode: 0o600 });
  const server = await startDemoServer({ username: 'demo', publicKey, root: served });
  return {
    what: "ferryline's own test server",
    port: server.port,
    username: 'demo',
    root: '/',
    keyFile,
    knownHostsFile: await writeKnownHosts(folder, server.port, server.hostKey),
    stop: server.stop,
  };
}

async function writeKnownHosts(folder: string, port: number, publicKey: string): Promise<string> {
  const file = join(folder, `known_hosts_${port}`);
  await writeFile(file, `[127.0.0.1]:${port} ${publicKey}\n`);
  return file;
}

function inPath(program: string, more: readonly string[] = []): string | undefined {
  const folders = [...(process.env.PATH ?? '').split(':'), ...more];
  return folders
    .filter((folder) => folder.startsWith('/'))
    .map((folder) => join(folder, program))
    .find((file) => existsSync(file));
}

async function madeFolder(path: string): Promise<boolean> {
  return mkdir(path).then(
    () => true,
    () => false,
  );
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return typeof address === 'object' && address !== null ? address.port : 0;
}
