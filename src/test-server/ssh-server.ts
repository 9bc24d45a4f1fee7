/**
 * An SSH server in this process that lets one user in, for the demo where the machine has no sshd
 * and for the tests. Loopback only. The SFTP it speaks is in sftp-server.ts and demo-files.ts.
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
  /** `type base64`: who holds its private half is let in. */
  readonly publicKey?: string;
  readonly password?: string;
  /** A private key in OpenSSH's format; a fresh one when absent. */
  readonly hostKey?: string;
  /** ssh2's names, to offer other algorithms than its defaults. */
  readonly algorithms?: Algorithms;
  /** How it names its software, behind `SSH-2.0-`. */
  readonly ident?: string;
  /** Asked when a login would succeed, with the number of those inside; false refuses it. */
  readonly admit?: (inside: number) => boolean;
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
  /** Logins so far, refused ones, and connections. */
  logins(): number;
  refusedLogins(): number;
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
  let inside = 0;

  const right = (context: AuthContext): boolean => {
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
    ...(options.algorithms === undefined ? {} : { algorithms: options.algorithms }),
    ...(options.ident === undefined ? {} : { ident: options.ident }),
  });
  ssh.on('connection', (client, { port }) => {
    const socket = sockets.get(port);
    if (socket === undefined) return void client.end();
    let isInside = false;
    client.on('authentication', (context) => {
      if (!right(context)) return context.reject(offered(options));
      // A key without a signature only asks whether it would do (RFC 4252 §7).
      const asks = context.method === 'publickey' && context.signature === undefined;
      if (!asks && options.admit !== undefined && !options.admit(inside)) {
        refused++;
        return context.reject();
      }
      context.accept();
    });
    client.on('ready', () => {
      logins++;
      inside++;
      isInside = true;
    });
    client.on('session', (accept) => {
      // Without an `sftp` listener ssh2 hands out the bare channel, on which we speak.
      accept().on('subsystem', (acceptChannel, rejectChannel, info) => {
        if (info.name === 'sftp') options.onSftp(acceptChannel(), socket);
        else rejectChannel();
      });
    });
    client.on('error', () => {
      // A client may go as it likes; the socket's `close` follows.
    });
    socket.once('close', () => {
      if (isInside) inside--;
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
  /** The folder it serves as `/`, made when missing. */
  readonly root: string;
}

/** A correct SFTP server of one folder. */
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

/** A fresh ed25519 key pair: OpenSSH's private format, and `type base64`. */
export function makeKeyPair(): { readonly privateKey: string; readonly publicKey: string } {
  // ssh2 drops a public key's leading zero byte, so that one pair in 256 is malformed.
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

function offered(options: SshServerOptions): ('publickey' | 'password')[] {
  return [
    ...(options.publicKey === undefined ? [] : (['publickey'] as const)),
    ...(options.password === undefined ? [] : (['password'] as const)),
  ];
}

function sameText(a: string, b: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}
