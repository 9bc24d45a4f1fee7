/**
 * OpenSSH's sshd on a free loopback port, with its own keys, as an ordinary user even when the tests run
 * as root (see account.ts).
 */
import { rmSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Account, giveTo, isRoot, ownAccount, serverAccount } from '../account.js';
import { temporaryFolder } from '../files/temporary.js';
import { freePort } from './free-port.js';
import { type KeyType, makeKey } from './keys.js';
import { type ServerProcess, startProcess } from './server-process.js';

export interface SshdOptions {
  /** The login folder; it is given to the server's account. Default: a fresh temporary one. */
  readonly root?: string;
  /** More lines for sshd_config. */
  readonly config?: readonly string[];
  /** Arguments of sftp-server: `['-R']` read-only, `['-P', 'posix-rename,fsync']` without these requests. */
  readonly sftpServer?: readonly string[];
  /** A command that starts it, to which sshd and its arguments are added. */
  readonly wrap?: (root: string) => readonly string[];
  /** A command in place of sftp-server. */
  readonly subsystem?: string;
  /** OpenSSH's in-process server instead of the external one. */
  readonly internal?: boolean;
  /** Offers password logins too. All are refused: an ordinary user's sshd can't check passwords. */
  readonly password?: boolean;
  /** `self`: run as the tester, root included. Default `user`: never as root. */
  readonly as?: 'user' | 'self';
  readonly hostKeys?: readonly KeyType[];
  /** For the client's private key; default: none. */
  readonly passphrase?: string;
}

export interface Sshd {
  readonly host: '127.0.0.1';
  readonly port: number;
  readonly username: string;
  readonly account: Account;
  /** The login folder, an absolute path on the server and here. */
  readonly root: string;
  /** The client's private key. */
  readonly keyFile: string;
  /** The client's public key, `type base64`. */
  readonly publicKey: string;
  /** `SHA256:…` of the current first host key. */
  readonly hostKeyFingerprint: string;
  /** Its host keys, private halves. */
  readonly hostKeyFiles: readonly string[];
  /** A known_hosts file that names the host keys it started with. */
  readonly knownHostsFile: string;
  log(): string;
  /** Logins it has accepted by key. */
  logins(): number;
  /** TCP connections it has accepted. */
  connections(): number;
  /** Ends it with all its connections and starts it again on the same port. */
  restart(): Promise<void>;
  /** New host keys in place of the old ones; `knownHostsFile` stays as it was. */
  swapHostKey(): Promise<void>;
  stop(): Promise<void>;
}

/** Starts a server; the caller stops it. */
export async function startSshd(options: SshdOptions = {}): Promise<Sshd> {
  const account = options.as === 'self' ? ownAccount() : serverAccount();
  const home = await temporaryFolder();
  const keys = await temporaryFolder();
  const root = options.root ?? join(home, 'root');
  await mkdir(root, { recursive: true });
  // Root's sshd separates privileges and needs this folder, which no package has made here.
  if (isRoot && options.as === 'self') await mkdir('/run/sshd', { recursive: true });

  const client = makeKey(join(keys, 'client'), 'ed25519', options.passphrase);
  await writeFile(join(home, 'authorized_keys'), `${client.publicKey}\n`);
  const types = options.hostKeys ?? ['ed25519'];
  const hostKeyFiles = types.map((type) => join(home, `host_${type}`));
  const makeHostKeys = () => types.map((type, i) => makeKey(hostKeyFiles[i] ?? '', type));
  let hostKeys = makeHostKeys();

  const knownHostsFile = join(keys, 'known_hosts');
  const configFile = join(home, 'sshd_config');
  const configure = (port: number) => writeFile(configFile, configText(port));
  const sftpServer = () =>
    [
      options.internal === true ? 'internal-sftp' : '/usr/lib/openssh/sftp-server',
      ...['-d', root, ...(options.sftpServer ?? [])],
    ].join(' ');
  const configText = (port: number) =>
    [
      // First, since sshd uses the first value of a keyword.
      ...(options.config ?? []),
      `ListenAddress 127.0.0.1:${port}`,
      ...hostKeyFiles.map((file) => `HostKey ${file}`),
      `AuthorizedKeysFile ${join(home, 'authorized_keys')}`,
      'PidFile none',
      'StrictModes no',
      'UsePAM no',
      'UseDNS no',
      'PermitRootLogin yes',
      `PasswordAuthentication ${options.password === true ? 'yes' : 'no'}`,
      'KbdInteractiveAuthentication no',
      'MaxStartups 1000',
      'MaxSessions 100',
      'LogLevel VERBOSE',
      `Subsystem sftp ${options.subsystem ?? sftpServer()}`,
      '',
    ].join('\n');

  let port = 0;
  let earlier = '';
  let server: ServerProcess | undefined;
  const start = async () => {
    giveTo(account, home);
    giveTo(account, root);
    const command = [
      ...(options.wrap?.(root) ?? []),
      '/usr/sbin/sshd',
      '-D',
      '-e',
      '-f',
      configFile,
    ];
    server = startProcess(command[0] ?? '', command.slice(1), {
      account,
      cwd: '/',
    });
    await server.said(/Server listening on/);
  };
  const stop = async () => {
    if (server === undefined) return;
    await server.stop();
    earlier += server.log();
    server = undefined;
  };

  for (let tries = 1; ; tries++) {
    port = await freePort();
    await configure(port);
    try {
      await start();
      break;
    } catch (error) {
      // Another process may have taken the port in between.
      if (tries === 5 || !/Address already in use/.test(server?.log() ?? '')) throw error;
      await stop();
    }
  }
  await writeFile(
    knownHostsFile,
    hostKeys.map((key) => `[127.0.0.1]:${port} ${key.publicKey}\n`).join(''),
  );

  const log = () => earlier + (server?.log() ?? '');
  const countOf = (pattern: RegExp) => log().match(pattern)?.length ?? 0;
  return {
    host: '127.0.0.1',
    port,
    username: account.username,
    account,
    root,
    keyFile: client.file,
    publicKey: client.publicKey,
    get hostKeyFingerprint() {
      return hostKeys[0]?.fingerprint ?? '';
    },
    hostKeyFiles,
    knownHostsFile,
    log,
    logins: () => countOf(/^Accepted publickey /gm),
    connections: () => countOf(/^Connection from /gm),
    async restart() {
      await stop();
      await start();
    },
    async swapHostKey() {
      await stop();
      for (const file of hostKeyFiles) {
        rmSync(file);
        rmSync(`${file}.pub`);
      }
      hostKeys = makeHostKeys();
      await start();
    },
    stop,
  };
}
