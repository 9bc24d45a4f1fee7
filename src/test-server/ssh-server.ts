/**
 * An SSH server in this process with one user, for tests, and for the demo if the machine has no
 * sshd. Loopback only. Its SFTP is in sftp-server.ts and folder.ts.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, realpath } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Algorithms, AuthContext } from 'ssh2';
import ssh2 from 'ssh2';
import { answerFromFolder } from './folder.js';
import { serveSftp } from './sftp-server.js';

export interface SshServerOptions {
  readonly username: string;
  /** `type base64`; its private key may log in. */
  readonly publicKey?: string;
  readonly password?: string;
  /** A private key in OpenSSH's format; default: a new one. */
  readonly hostKey?: string;
  /** Default: ssh2's. */
  readonly algorithms?: Algorithms;
  /** The name of its software, after `SSH-2.0-`. */
  readonly ident?: string;
  /** Called when a login would succeed, with the number of users logged in; false refuses it. */
  readonly admit?: (loggedIn: number) => boolean;
  /** Serves one `sftp` channel. */
  readonly onSftp: (channel: Duplex, connection: Socket) => void;
}

export interface SshServer {
  readonly host: '127.0.0.1';
  readonly port: number;
  /** `SHA256:…` */
  readonly hostKeyFingerprint: string;
  /** The host key as `type base64`, for a known_hosts file. */
  readonly hostKey: string;
  /** Successful logins so far. */
  logins(): number;
  /** Logins that `admit` has refused so far. */
  refusedLogins(): number;
  /** TCP connections so far. */
  connections(): number;
  /** Cuts all connections and stops listening. */
  stop(): Promise<void>;
}

/** Listens on a free loopback port. */
export async function startSshServer(options: SshServerOptions): Promise<SshServer> {
  const hostKeyText = options.hostKey ?? makeKeyPair().privateKey;
  const hostKey = parsedKey(hostKeyText);
  const publicKey = options.publicKey === undefined ? undefined : parsedKey(options.publicKey);
  /** Open connections by the client's port. */
  const sockets = new Map<number, Socket>();
  let logins = 0;
  let refused = 0;
  let connections = 0;
  let loggedIn = 0;

  const isValid = (context: AuthContext): boolean => {
    if (context.username !== options.username) return false;
    if (context.method === 'password')
      return options.password !== undefined && sameText(context.password, options.password);
    if (context.method !== 'publickey' || publicKey === undefined) return false;
    if (!context.key.data.equals(publicKey.getPublicSSH())) return false;
    if (context.signature === undefined || context.blob === undefined) return true;
    return publicKey.verify(context.blob, context.signature, context.hashAlgo) === true;
  };

  const ssh = new ssh2.Server({
    hostKeys: [hostKeyText],
    ...(options.algorithms && { algorithms: options.algorithms }),
    ...(options.ident && { ident: options.ident }),
  });
  ssh.on('connection', (client, { port }) => {
    const socket = sockets.get(port);
    if (socket === undefined) return void client.end();
    let isLoggedIn = false;
    client.on('authentication', (context) => {
      if (!isValid(context)) return context.reject(methodsOf(options));
      // without a signature the client only asks whether the key is acceptable (RFC 4252 §7)
      const isQuestion = context.method === 'publickey' && context.signature === undefined;
      if (!isQuestion && options.admit !== undefined && !options.admit(loggedIn)) {
        refused++;
        return context.reject();
      }
      context.accept();
    });
    client.on('ready', () => {
      logins++;
      loggedIn++;
      isLoggedIn = true;
    });
    client.on('session', (accept) => {
      // without an `sftp` listener ssh2 passes on the raw channel
      accept().on('subsystem', (acceptChannel, rejectChannel, info) => {
        if (info.name === 'sftp') options.onSftp(acceptChannel(), socket);
        else rejectChannel();
      });
    });
    client.on('error', () => {
      // a client may disconnect in any way; the socket's `close` follows
    });
    socket.once('close', () => {
      if (isLoggedIn) loggedIn--;
    });
  });

  const server = createServer({ noDelay: true }, (socket) => {
    connections++;
    const { remotePort = 0 } = socket;
    sockets.set(remotePort, socket);
    socket.once('close', () => sockets.delete(remotePort));
    ssh.injectSocket(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no TCP address');
  return {
    host: '127.0.0.1',
    port: address.port,
    hostKeyFingerprint: `SHA256:${createHash('sha256').update(hostKey.getPublicSSH()).digest('base64').replace(/=+$/, '')}`,
    hostKey: `${hostKey.type} ${hostKey.getPublicSSH().toString('base64')}`,
    logins: () => logins,
    refusedLogins: () => refused,
    connections: () => connections,
    async stop() {
      if (!server.listening) return;
      const closed = once(server, 'close');
      server.close();
      for (const socket of sockets.values()) socket.destroy();
      await closed;
    },
  };
}

export interface DemoServerOptions extends Omit<SshServerOptions, 'onSftp'> {
  /** The folder that it serves as `/`, created if it is missing. */
  readonly root: string;
}

/** Starts a correct SFTP server of one folder. */
export async function startDemoServer(options: DemoServerOptions): Promise<SshServer> {
  await mkdir(options.root, { recursive: true });
  const root = await realpath(options.root);
  return startSshServer({
    ...options,
    onSftp: (channel) => {
      const files = answerFromFolder(root);
      void serveSftp(channel, files.answer).finally(files.close);
    },
  });
}

/** A new ed25519 key pair: the private key in OpenSSH's format, the public one as `type base64`. */
export function makeKeyPair(): { readonly privateKey: string; readonly publicKey: string } {
  // ssh2 drops a leading zero byte of the public key: one pair in 256 is malformed
  for (;;) {
    const pair = ssh2.utils.generateKeyPairSync('ed25519');
    if (!(ssh2.utils.parseKey(pair.private) instanceof Error))
      return { privateKey: pair.private, publicKey: pair.public.trim() };
  }
}

function parsedKey(text: string) {
  const key = ssh2.utils.parseKey(text);
  if (key instanceof Error) throw key;
  return key;
}

function methodsOf(options: SshServerOptions): ('publickey' | 'password')[] {
  return [
    ...(options.publicKey === undefined ? [] : (['publickey'] as const)),
    ...(options.password === undefined ? [] : (['password'] as const)),
  ];
}

function sameText(a: string, b: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}
