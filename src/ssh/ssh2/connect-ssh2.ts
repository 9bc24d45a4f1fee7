/**
 * The transport `ssh2`: the session is opened and closed by ssh2-sftp-client, the host key is
 * verified by us before any credential, channels come raw from its ssh2 client. Which algorithms
 * and logins are offered is in offers.ts.
 */
import { createRequire } from 'node:module';
import type { Duplex } from 'node:stream';
import type { Client, ClientChannel, ConnectConfig, NegotiatedAlgorithms } from 'ssh2';
import type SftpClientType from 'ssh2-sftp-client';
import { FerryError } from '../../core/errors.js';
import type { Remote } from '../../core/remote.js';
import { escapeText } from '../../core/text.js';
import { dial, joinWrites } from '../dial.js';
import { fingerprint, type HostKeyRules, keyType, verifyHostKey } from '../host-keys/host-keys.js';
import { hostKeyRules } from '../host-keys/read-known-hosts.js';
import type { SessionLog, Transport } from '../transport.js';
import { connectionError, type LogInFacts } from './connection-error.js';
import { joinIdentification } from './identification.js';
import { readKeys } from './key-file.js';
import { algorithmsFor, loginsFor, terrapinProne } from './offers.js';
import { widenReceiveWindow } from './receive-window.js';
import { logInAtOnce, signAtOnce } from './sign-at-once.js';

const require = createRequire(import.meta.url);

/** Milliseconds between keepalive questions; three unanswered ones end the connection. */
const keepalive = 15_000;
/** How often within `deadline` it is looked whether a server that logs us in has said anything. */
const looks = 4;
/** Milliseconds a polite goodbye may take. */
const goodbye = 1000;

/** The parts of ssh2's client that its published types leave out. */
interface Internals {
  readonly _protocol?: { readonly _strictMode?: boolean };
  readonly _remoteVer?: string;
}

/** A connection of ours, which can also carry one to a further host. */
interface Connection {
  readonly client: Client;
  /** Absent on a jump host, which may allow no SFTP at all. */
  readonly channel: Duplex | undefined;
  readonly ended: Promise<FerryError>;
  readonly logins: number;
  readonly where: string;
  close(): Promise<void>;
}

/** See `Connect` in transport.ts. */
export async function connectSsh2(
  remote: Remote,
  log: SessionLog,
  signal: AbortSignal,
): Promise<Transport> {
  const connection = await connect(remote, true, log, signal);
  const { client, ended, logins, where, close } = connection;
  return {
    first: connection.channel as Duplex,
    serverSoftware: (client as unknown as Internals)._remoteVer ?? '',
    logins,
    ended,
    openChannel: (abort) => openChannel(client, where, abort),
    close,
  };
}

/** A stream to a remote's SSH port through its jump host, which is logged in for it and left with the stream. */
export async function openThroughJump(
  remote: Remote,
  jump: Remote,
  signal: AbortSignal,
): Promise<Duplex> {
  const connection = await connect(jump, false, () => {}, signal);
  try {
    const where = `${remote.name}: ${escapeText(remote.host)} port ${remote.port}`;
    const stream = await forward(connection, remote, where, signal);
    stream.once('close', () => void connection.close());
    return stream;
  } catch (error) {
    await connection.close();
    throw error;
  }
}

async function connect(
  remote: Remote,
  wantsSftp: boolean,
  log: SessionLog,
  signal: AbortSignal,
): Promise<Connection> {
  const where = `${remote.name}: ${escapeText(remote.host)} port ${remote.port}`;
  const { auth } = remote;
  const keys = await readKeys(auth, (sentence) => log('status', sentence));
  const rules = await hostKeyRules(remote, remote.hostKey);
  const jump = remote.jump && (await connect(remote.jump, false, log, signal));
  let sock: Duplex | undefined;
  try {
    log('status', `connecting to ${escapeText(remote.host)} port ${remote.port}`);
    const dialling = jump
      ? forward(jump, remote, where, signal)
      : dial(remote.host, remote.port, where, remote.deadline, signal);
    loadSftpClient();
    sock = await dialling;
    const stream = sock;
    joinWrites(stream);
    joinIdentification(stream);
    const logins = loginsFor(remote, keys, log);
    const { client, channel, ended } = await logIn(
      {
        sock: stream,
        username: remote.username,
        // where bytes can be counted, silence is watched for instead: a slow line is none
        readyTimeout: isCounted(stream) ? 0 : remote.deadline,
        keepaliveInterval: keepalive,
        keepaliveCountMax: 3,
        algorithms: algorithmsFor(remote.algorithms, rules),
        authHandler: logins.next,
      } as ConnectConfig,
      {
        ...{ where, rules, log, tried: logins.tried, atOnce: logins.atOnce },
        ...{ deadline: remote.deadline, wantsSftp },
      },
      signal,
      stream,
    );
    return {
      client,
      channel,
      ended,
      where,
      logins: 1 + (jump?.logins ?? 0),
      close: async () => {
        await hangUp(client, stream);
        await jump?.close();
      },
    };
  } catch (error) {
    sock?.destroy();
    await jump?.close();
    throw error;
  }
}

function forward(
  jump: Connection,
  remote: Remote,
  where: string,
  signal: AbortSignal,
): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
    jump.client.forwardOut('127.0.0.1', 0, remote.host, remote.port, (error, channel) => {
      signal.removeEventListener('abort', abort);
      if (error === undefined || error === null) resolve(channel);
      else
        reject(
          new FerryError(
            'network',
            `${where} can't be reached through ${remote.jump?.name}: ${escapeText(error.message)}`,
            {
              code: 'ECONNREFUSED',
              hint: 'check host and port as the jump host sees them, and that it allows forwarding',
              cause: error,
            },
          ),
        );
    });
  });
}

/** Called first while the server answers, since it takes some 25 ms. Imported, every CommonJS file of it would be parsed once more for the names it exports. */
function loadSftpClient(): typeof SftpClientType {
  return require('ssh2-sftp-client');
}

interface LogIn extends LogInFacts {
  readonly rules: HostKeyRules;
  readonly log: SessionLog;
  readonly wantsSftp: boolean;
  /** Whether the first login can be sent before the server has said anything of logins. */
  readonly atOnce: boolean;
}

function logIn(
  config: ConnectConfig,
  about: LogIn,
  signal: AbortSignal,
  sock: Duplex,
): Promise<Pick<Connection, 'client' | 'channel' | 'ended'>> {
  const { where, log } = about;
  const SftpClient = loadSftpClient();
  // its default callbacks print to stdout
  const sftp = new SftpClient('ferryline', { error() {}, end() {}, close() {} });
  const client = sftp.client as Client;
  return new Promise((resolve, reject) => {
    let verdict: FerryError | undefined;
    const ended = new Promise<FerryError>((ends) => {
      const lost = (error?: Error & { level?: string }) => {
        const reason = verdict ?? connectionError(error, about);
        ends(reason);
        settle(() => reject(reason));
      };
      client.on('error', lost).on('close', () => lost());
    });
    const settle = (outcome: () => void) => {
      clearInterval(silence);
      signal.removeEventListener('abort', abort);
      outcome();
    };
    // as long as bytes come, however slowly, the server is there
    let heard = 0;
    let quiet = 0;
    const silence = setInterval(() => {
      if (!isCounted(sock)) return;
      quiet = sock.bytesRead === heard ? quiet + 1 : 0;
      heard = sock.bytesRead;
      if (quiet < looks) return;
      const reason = connectionError(
        Object.assign(new Error(), { level: 'client-timeout' }),
        about,
      );
      settle(() => reject(reason));
    }, about.deadline / looks);
    const abort = () => settle(() => reject(signal.reason));
    signal.addEventListener('abort', abort, { once: true });
    client.on('handshake', (negotiated: NegotiatedAlgorithms) => {
      log(
        'status',
        `${negotiated.kex}, host key ${negotiated.serverHostKey}, ${negotiated.cs.cipher}`,
      );
      const strict = (client as unknown as Internals)._protocol?._strictMode === true;
      if (!strict && terrapinProne(negotiated)) {
        verdict = new FerryError(
          'auth',
          `${where} offers only ${negotiated.cs.cipher} without strict key exchange, which is open to the Terrapin attack (CVE-2023-48795)`,
          {
            hint: 'update the server, or allow another cipher with `algorithms: { cipher: [aes256-ctr] }`',
          },
        );
        client.destroy();
      }
    });
    client.once('handshake', () => {
      signAtOnce(client);
      if (about.atOnce && verdict === undefined) logInAtOnce(client);
    });
    // Its own channel would be of no use, and counts for MaxSessions.
    client.sftp = (unopened) => {
      unopened(new Error('channels are opened raw'), undefined as never);
      return client;
    };
    const channel = new Promise<ClientChannel | undefined>((opened, failed) => {
      client.once('ready', () => {
        log('status', 'logged in');
        if (!about.wantsSftp) opened(undefined);
        else
          client.subsys('sftp', (error, stream) => {
            if (error) {
              failed(error);
              return;
            }
            widenReceiveWindow(client, stream);
            opened(stream);
          });
      });
    });
    channel.then(
      (stream) => settle(() => resolve({ client, channel: stream, ended })),
      (error: Error) =>
        settle(() =>
          reject(
            new FerryError(
              'network',
              `${where} logged in but opens no SFTP channel: ${escapeText(error.message)}`,
              {
                code: 'ENOSFTP',
                hint: "check the server's Subsystem sftp setting and that the account may use it",
              },
            ),
          ),
        ),
    );
    sftp
      .connect({
        ...config,
        hostVerifier: (key: Buffer) => {
          log('status', `host key ${keyType(key)} ${fingerprint(key)}`);
          const decided = verifyHostKey(about.rules, key);
          if (decided.ok) log('status', `host key accepted by ${decided.by}`);
          else verdict = decided.error;
          return decided.ok;
        },
      })
      .catch(() => {}); // what fails the login fails `lost`
  });
}

/** A TCP socket counts its bytes; a channel through a jump host does not. */
function isCounted(sock: Duplex): sock is Duplex & { readonly bytesRead: number } {
  return 'bytesRead' in sock;
}

function openChannel(client: Client, where: string, signal: AbortSignal): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) {
      reject(signal.reason);
      return;
    }
    const abort = () => reject(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
    client.subsys('sftp', (error, stream) => {
      signal.removeEventListener('abort', abort);
      if (signal.aborted) stream?.destroy();
      else if (error)
        reject(
          new FerryError('io', `${where} opens no further channel: ${escapeText(error.message)}`, {
            code: 'EMFILE',
            cause: error,
          }),
        );
      else {
        widenReceiveWindow(client, stream);
        resolve(stream);
      }
    });
  });
}

async function hangUp(client: Client, sock: Duplex): Promise<void> {
  if (sock.destroyed) return;
  await new Promise<void>((done) => {
    const timer = setTimeout(() => {
      sock.destroy();
      done();
    }, goodbye);
    sock.once('close', () => {
      clearTimeout(timer);
      done();
    });
    client.end();
  });
}
