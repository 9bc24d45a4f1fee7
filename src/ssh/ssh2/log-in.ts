/**
 * Logs in to a server over a stream that is already open: our checks of the host key and the
 * algorithms come first, then the credentials, then an SFTP channel. Nothing is dialled here.
 */
import { createRequire } from 'node:module';
import type { Duplex } from 'node:stream';
import type {
  Algorithms,
  AuthHandlerMiddleware,
  Client,
  ClientChannel,
  NegotiatedAlgorithms,
} from 'ssh2';
import type SftpClientType from 'ssh2-sftp-client';
import { abortable } from '../../core/abort.js';
import { FerryError } from '../../core/errors.js';
import type { Remote } from '../../core/remote.js';
import { escapeText } from '../../core/text.js';
import { fingerprint, type HostKeyRules, keyType, verifyHostKey } from '../host-keys/host-keys.js';
import type { SessionLog } from '../transport.js';
import { algorithmsFor, terrapinProne, unknownAlgorithm } from './algorithms.js';
import { connectionError, type LoginFacts } from './connection-error.js';
import type { Identification } from './identification.js';
import { lendReads } from './lent-reads.js';
import { type LoginMethods, passwordChange } from './login-methods.js';
import { expectSftpOn, type Guess, openFirstChannel } from './open-channel.js';
import { type LastWords, watchPeer } from './peer-words.js';
import { reusePackets } from './reused-packets.js';
import { logInAtOnce, signAtOnce } from './sign-at-once.js';

const require = createRequire(import.meta.url);

/** After three keepalive requests without an answer the connection ends. */
const keepaliveMs = 15_000;
/** A login that takes this many times the longest wait for a reply is given up: a server may keep it going with messages that mean nothing. */
const longestLogin = 10;
/** How often within `deadline` a server that logs us in is checked for having sent anything. */
const silenceChecks = 4;

/** The part of ssh2's client that its published types leave out. */
interface StrictModeInternals {
  readonly _protocol?: { readonly _strictMode?: boolean };
}

export interface LoginRequest {
  /** The stream to the server. */
  readonly stream: Duplex;
  /** What has come on the stream before the server's identification. */
  readonly identification: Identification;
  readonly remote: Remote;
  /** `archive: host.example port 22`, for messages. */
  readonly where: string;
  readonly rules: HostKeyRules;
  readonly methods: LoginMethods;
  /** Whether an SFTP channel is opened, too. */
  readonly wantsSftp: boolean;
  /** Absent: the channel's number is not guessed. */
  readonly guess: Guess | undefined;
  readonly log: SessionLog;
}

export interface LoggedIn {
  readonly client: Client;
  /** Undefined where no SFTP was wanted. */
  readonly channel: Duplex | undefined;
  /** Resolves with the reason once the connection has ended; never rejects. */
  readonly ended: Promise<FerryError>;
  /** The shortest time from a message to its answer so far, milliseconds. */
  readonly roundTrip: number;
}

/** Takes some 25 ms at first: call it while the server answers. An ESM import would parse each of its CommonJS files a second time for the names that it exports. */
export function loadSftpClient(): typeof SftpClientType {
  return require('ssh2-sftp-client');
}

/** Errors as in `Connect` (transport.ts). The stream stays the caller's: after an error it is the caller who destroys it. */
export async function logIn(request: LoginRequest, signal: AbortSignal): Promise<LoggedIn> {
  const { stream, identification, remote, where, methods } = request;
  const SftpClient = loadSftpClient();
  // its default callbacks print to stdout
  const sftp = new SftpClient('ferryline', { error() {}, end() {}, close() {} });
  const client = sftp.client as Client;
  const check = new ServerCheck(client, request);
  let loggedIn = false;
  let askedAt = performance.now();
  let roundTrip = Number.POSITIVE_INFINITY;
  client.once('ready', () => {
    loggedIn = true;
    roundTrip = performance.now() - askedAt;
    askedAt = performance.now();
  });
  const facts = {
    where,
    methods,
    deadline: remote.replyTimeout,
    identification,
    last: check.last,
    loggedIn: () => loggedIn,
  };
  let stopWatching = () => {};
  let giveUp: NodeJS.Timeout | undefined;
  try {
    return await abortable<LoggedIn>(signal, (resolve, reject) => {
      const ended = new Promise<FerryError>((resolveEnded) => {
        const lost = (error?: Error & { level?: string }) => {
          const reason = check.refusal ?? connectionError(error, facts);
          resolveEnded(reason);
          reject(reason);
        };
        client.on('error', lost).on('close', () => lost());
      });
      stopWatching = onSilence(stream, remote.replyTimeout, () => reject(timedOut(facts)));
      giveUp = setTimeout(() => reject(timedOut(facts)), remote.replyTimeout * longestLogin);
      void identification.foreign.then(reject);
      methods.onUnanswerable = (error) => check.refuse(error);
      client.on('change password', (words: string) =>
        check.refuse(passwordChange(remote.name, words)),
      );
      client.on('handshake', (negotiated) => check.algorithms(negotiated));
      client.once('handshake', () => {
        askedAt = performance.now();
        watchPeer(client, where, check);
        signAtOnce(client, (error) => check.refuse(unsigned(where, error)));
        if (methods.firstAtOnce && check.refusal === undefined) logInAtOnce(client);
      });
      // the client's own channel would be of no use, and counts for MaxSessions
      client.sftp = (unopened) => {
        unopened(new Error('channels are opened raw'), undefined as never);
        return client;
      };
      const isLost = () => stream.destroyed || stream.readableEnded;
      firstChannel(client, request).then(
        (channel) => {
          if (channel !== undefined) {
            roundTrip = Math.min(roundTrip, performance.now() - askedAt);
            expectSftpOn(channel, where, isLost);
          }
          resolve({ client, channel, ended, roundTrip });
        },
        (error: Error) => reject(noSftp(where, error)),
      );
      sftp
        .connect({
          sock: stream,
          username: remote.username,
          // where bytes are counted, `onSilence` ends the login of a silent server, but not of a slow one
          readyTimeout: isCounted(stream) ? 0 : remote.replyTimeout,
          keepaliveInterval: keepaliveMs,
          keepaliveCountMax: 3,
          algorithms: algorithmsFor(remote.algorithms, request.rules) as Algorithms,
          authHandler: ((accepted, partial) =>
            methods.next(accepted, partial)) as AuthHandlerMiddleware,
          hostVerifier: (key: Buffer) => check.hostKey(key),
        })
        // all other errors reach `lost`
        .catch((error) => {
          const unknown = unknownAlgorithm(error, where);
          if (unknown !== undefined) reject(unknown);
        });
      return undefined;
    });
  } finally {
    clearTimeout(giveUp);
    stopWatching();
  }
}

/** What a server has to pass to get a credential, and what ends its login. */
class ServerCheck {
  /** The words with which the server has ended the connection; set by peer-words.ts. */
  readonly last: LastWords = {};
  readonly #client: Client;
  readonly #request: LoginRequest;
  #refusal: FerryError | undefined;

  constructor(client: Client, request: LoginRequest) {
    this.#client = client;
    this.#request = request;
  }

  /** Why we end the connection; ssh2 then reports an error of its own. */
  get refusal(): FerryError | undefined {
    return this.#refusal;
  }

  /** Ends the connection for this reason; the first one counts. */
  refuse(error: FerryError): void {
    this.#refusal ??= error;
    this.#client.destroy();
  }

  /** Whether the key is accepted. */
  hostKey(key: Buffer): boolean {
    const { rules, log } = this.#request;
    log('status', `host key ${keyType(key)} ${fingerprint(key)}`);
    const verdict = verifyHostKey(rules, key);
    if (verdict.ok) log('status', `host key accepted by ${verdict.by}`);
    else this.#refusal = verdict.error;
    return verdict.ok;
  }

  /** Ends the connection if the algorithms are open to a known attack. */
  algorithms(negotiated: NegotiatedAlgorithms): void {
    const { where, log } = this.#request;
    const { kex, serverHostKey, cs } = negotiated;
    log('status', `${kex}, host key ${serverHostKey}, ${cs.cipher} by ${cipherCode()}`);
    const strict = (this.#client as unknown as StrictModeInternals)._protocol?._strictMode === true;
    if (strict || !terrapinProne(negotiated)) return;
    const refusal = new FerryError(
      'auth',
      `${where} offers only ${cs.cipher} without strict key exchange, which is open to the Terrapin attack (CVE-2023-48795)`,
      {
        hint: 'update the server, or allow another cipher with `algorithms: { cipher: [aes256-ctr] }`',
      },
    );
    this.refuse(refusal);
  }
}

/** Which code encrypts: that of ssh2 for this Node, or the slower one that runs everywhere. */
function cipherCode(): string {
  const { bindingAvailable } =
    require('ssh2/lib/protocol/crypto.js') as typeof import('ssh2/lib/protocol/crypto.js');
  return bindingAvailable ? 'native code' : 'JavaScript (no native code for this Node)';
}

function unsigned(where: string, error: Error): FerryError {
  return new FerryError('auth', `${where}: the agent did not sign: ${escapeText(error.message)}`, {
    cause: error,
    hint: '`ssh-add -T KEY.pub` shows whether it can; it may want a confirmation, or a touch',
  });
}

/** Resolves once logged in: to an SFTP channel, or to undefined where none is wanted. */
function firstChannel(
  client: Client,
  { stream, wantsSftp, guess, log }: LoginRequest,
): Promise<ClientChannel | undefined> {
  return new Promise((resolve, reject) => {
    client.once('ready', () => {
      log('status', 'logged in');
      if (!wantsSftp) return resolve(undefined);
      lendReads(client, stream);
      reusePackets(client, stream);
      openFirstChannel(client, guess).then(resolve, reject);
    });
  });
}

/** Calls back when no byte has come for `deadlineMs`; never for a stream that does not count its bytes. Returns a function that stops watching. */
function onSilence(stream: Duplex, deadlineMs: number, act: () => void): () => void {
  if (!isCounted(stream)) return () => {};
  let bytesSeen = 0;
  let silentChecks = 0;
  const timer = setInterval(() => {
    silentChecks = stream.bytesRead === bytesSeen ? silentChecks + 1 : 0;
    bytesSeen = stream.bytesRead;
    if (silentChecks >= silenceChecks) act();
  }, deadlineMs / silenceChecks);
  return () => clearInterval(timer);
}

/** A TCP socket counts its bytes; a channel through a jump host does not. */
function isCounted(stream: Duplex): stream is Duplex & { readonly bytesRead: number } {
  return 'bytesRead' in stream;
}

/** The same error as for ssh2's own `readyTimeout`. */
function timedOut(facts: LoginFacts): FerryError {
  return connectionError(Object.assign(new Error(), { level: 'client-timeout' }), facts);
}

function noSftp(where: string, error: Error): FerryError {
  return new FerryError(
    'network',
    `${where} logged in but opens no SFTP channel: ${escapeText(error.message)}`,
    {
      code: 'ENOSFTP',
      hint: "check the server's Subsystem sftp setting and that the account may use it",
    },
  );
}
