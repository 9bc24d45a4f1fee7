/** A connection by ssh2 from dialling to hanging up, jump hosts included. The login itself is in log-in.ts. */
import type { Duplex } from 'node:stream';
import type { Client } from 'ssh2';
import { abortable } from '../../core/abort.js';
import { FerryError } from '../../core/errors.js';
import { present } from '../../core/present.js';
import type { Remote } from '../../core/remote.js';
import { escapeText } from '../../core/text.js';
import { dial, joinWrites } from '../dial.js';
import { hostKeyRules } from '../host-keys/read-known-hosts.js';
import { loginSecrets } from '../secret-command.js';
import type { AskPassphrase, SessionLog } from '../transport.js';
import { readAgentKeys } from './agent-keys.js';
import { isRefusedLogin } from './connection-error.js';
import { joinIdentification } from './identification.js';
import {
  isLockedKey,
  isWrongPassphrase,
  type KeyRules,
  type PrivateKey,
  publicKeysOf,
  readKey,
  readKeys,
} from './key-file.js';
import { type LoginRequest, loadSftpClient, logIn } from './log-in.js';
import { type Credentials, LoginMethods } from './login-methods.js';
import type { Guess } from './open-channel.js';

/** How long a server may take to end a connection; after that the socket is destroyed. */
const goodbyeMs = 1000;

export interface Connection {
  readonly client: Client;
  /** Undefined where no SFTP was wanted: a jump host may not allow any. */
  readonly channel: Duplex | undefined;
  /** Resolves with the reason once the connection has ended; never rejects. */
  readonly ended: Promise<FerryError>;
  /** A round trip took no longer than this, milliseconds. */
  readonly roundTrip: number;
  /** SSH logins made for it, those on jump hosts included. */
  readonly logins: number;
  /** `archive: host.example port 22`, for messages. */
  readonly where: string;
  /** Ends it, then the connections to its jump hosts. */
  close(): Promise<void>;
}

/** Connects and logs in, through the remote's jump host if it has one. Errors as in `Connect` (transport.ts). */
export async function openConnection(
  remote: Remote,
  wantsSftp: boolean,
  log: SessionLog,
  signal: AbortSignal,
  ask?: AskPassphrase,
): Promise<Connection> {
  const where = describe(remote);
  const { passphrase, password } = await loginSecrets(remote, signal);
  const unlock: Unlock | undefined = ask && ((path) => askFor(path, ask, signal));
  const { keys, unusable, locked } = await keysInFiles(remote, passphrase, log, unlock);
  // awaited below: an agent may answer later than the server
  const asking = agentKeysOf(remote, log, signal);
  asking.catch(() => {});
  /** Keys that a person may unlock, before or after all others were refused. */
  const unasked = unlock === undefined || password !== undefined ? [] : [...locked];
  const nextUnlocked = async () => {
    for (let path = unasked.shift(); path !== undefined; path = unasked.shift()) {
      const key = await unlock?.(path);
      if (key !== undefined) return [key];
    }
    return undefined;
  };
  const hasOthers = unasked.length === 0 || keys.length > 0 || (await asking).agentKeys.length > 0;
  const first = hasOthers ? keys : ((await nextUnlocked()) ?? keys);
  const rules = await hostKeyRules(remote, remote.hostKey);
  const jump = remote.jump && (await openConnection(remote.jump, false, log, signal, ask));
  const request = { remote, where, rules, wantsSftp, log, jump };
  try {
    const { socket, ...loggedIn } = await logInAgain(async (only) => {
      const credentials = async () =>
        only === undefined
          ? { keys: first, unusable, ...(await asking), ...present({ password }) }
          : { keys: only, agentKeys: [], preferred: [] };
      return dialAndLogIn(request, credentials, signal);
    }, nextUnlocked);
    return {
      ...loggedIn,
      logins: 1 + (jump?.logins ?? 0),
      where,
      close: async () => {
        await hangUp(loggedIn.client, socket);
        await jump?.close();
      },
    };
  } catch (error) {
    await jump?.close();
    throw error;
  }
}

/** As ssh does: a locked key is asked for once the server has refused the others, and is then offered alone, in a new login. */
async function logInAgain<T>(
  logInWith: (only?: readonly PrivateKey[]) => Promise<T>,
  nextUnlocked: () => Promise<readonly PrivateKey[] | undefined>,
): Promise<T> {
  let only: readonly PrivateKey[] | undefined;
  for (;;) {
    try {
      return await logInWith(only);
    } catch (thrown) {
      only = isRefusedLogin(thrown) ? await nextUnlocked() : undefined;
      if (only === undefined) throw thrown;
    }
  }
}

interface Dialled extends Omit<LoginRequest, 'stream' | 'identification' | 'methods' | 'guess'> {
  /** The connection to the jump host. */
  readonly jump: Connection | undefined;
}

/** Remotes whose server's first channel is not to be guessed. */
const guessedWrong = new WeakSet<Remote>();

async function dialAndLogIn(
  request: Dialled,
  credentials: () => Promise<Credentials>,
  signal: AbortSignal,
) {
  const { remote, log } = request;
  const guess = guessedWrong.has(remote) ? undefined : { isOpen: false };
  try {
    return await dialOnce(request, guess, credentials, signal);
  } catch (error) {
    if (guess?.isOpen !== true || signal.aborted) throw error;
    guessedWrong.add(remote);
    log('status', 'no channel was opened; connecting again, with one request at a time');
    return dialOnce(request, undefined, credentials, signal);
  }
}

async function dialOnce(
  { jump, ...request }: Dialled,
  guess: Guess | undefined,
  credentials: () => Promise<Credentials>,
  signal: AbortSignal,
) {
  const { remote, where, log } = request;
  let stream: Duplex | undefined;
  try {
    log('status', `connecting to ${escapeText(remote.host)} port ${remote.port}`);
    const dialling = jump
      ? forward(jump, remote, signal)
      : dial(remote.host, remote.port, where, remote.replyTimeout, signal);
    loadSftpClient();
    stream = await dialling;
    joinWrites(stream);
    const identification = joinIdentification(stream, where);
    const methods = new LoginMethods(remote, await credentials(), log);
    const loggedIn = await logIn({ ...request, stream, identification, methods, guess }, signal);
    return { ...loggedIn, socket: stream };
  } catch (error) {
    stream?.destroy();
    throw error;
  }
}

/** A locked key with the passphrase that a person gives; undefined: there is no answer. */
type Unlock = (path: string) => Promise<PrivateKey | undefined>;

/** The keys in files, and those of them that need a passphrase. Of a remote that names its keys, a person is asked at once. */
async function keysInFiles(
  { auth: { keys: paths, keysOptional } }: Remote,
  passphrase: string | undefined,
  log: SessionLog,
  unlock: Unlock | undefined,
) {
  const unusable: string[] = [];
  const locked: string[] = [];
  const rules = { keys: paths, keysOptional, ...present({ passphrase }) };
  const note = (sentence: string, error: FerryError, path: string) => {
    log('status', sentence);
    unusable.push(isLockedKey(error) ? `${error.message} (ssh-add)` : error.message);
    if (isLockedKey(error)) locked.push(path);
  };
  const named = unlock === undefined || keysOptional ? undefined : await namedKeys(rules, unlock);
  return { keys: named ?? (await readKeys(rules, note)), unusable, locked };
}

/** The keys of a remote that names them, with what a person says of those that are locked. */
async function namedKeys({ keys, passphrase }: KeyRules, unlock: Unlock): Promise<PrivateKey[]> {
  const read: PrivateKey[] = [];
  for (const path of keys) {
    try {
      read.push(await readKey(path, passphrase));
    } catch (thrown) {
      const key = isLockedKey(thrown) ? await unlock(path) : undefined;
      if (key === undefined) throw thrown;
      read.push(key);
    }
  }
  return read;
}

/** How often a person is asked for one passphrase, as by ssh. */
const mostAnswers = 3;

/** See `Unlock`. Errors: those of `readKey` for the last answer, or the signal's reason. */
function askFor(
  path: string,
  ask: AskPassphrase,
  signal: AbortSignal,
): Promise<PrivateKey | undefined> {
  let answers = 0;
  const open = async (passphrase: string) => {
    try {
      return await readKey(path, passphrase);
    } catch (thrown) {
      if (!isWrongPassphrase(thrown) || ++answers === mostAnswers) throw thrown;
      return undefined;
    }
  };
  return ask(path, open, signal);
}

/** The keys of the agent, if the remote uses one, and which of them come first. */
async function agentKeysOf(
  { auth, replyTimeout }: Remote,
  log: SessionLog,
  signal: AbortSignal,
): Promise<Pick<Credentials, 'agentKeys' | 'preferred'>> {
  if (auth.agent === undefined) return { agentKeys: [], preferred: [] };
  const [agentKeys, preferred] = await Promise.all([
    readAgentKeys(auth.agent, replyTimeout, (sentence) => log('status', sentence), signal),
    publicKeysOf(auth.keys),
  ]);
  return { agentKeys, preferred };
}

/** A stream through a jump host to a remote's SSH port. */
export function forward(jump: Connection, remote: Remote, signal: AbortSignal): Promise<Duplex> {
  return abortable(signal, (resolve, reject) => {
    jump.client.forwardOut('127.0.0.1', 0, remote.host, remote.port, (error, channel) => {
      if (error === undefined || error === null) return resolve(channel);
      reject(
        new FerryError(
          'network',
          `${describe(remote)} can't be reached through ${remote.jump?.name}: ${escapeText(error.message)}`,
          {
            code: 'ECONNREFUSED',
            hint: 'check host and port as the jump host sees them, and that it allows forwarding',
            cause: error,
          },
        ),
      );
    });
    return undefined;
  });
}

function describe({ name, host, port }: Remote): string {
  return `${name}: ${escapeText(host)} port ${port}`;
}

async function hangUp(client: Client, socket: Duplex): Promise<void> {
  if (socket.destroyed) return;
  await new Promise<void>((resolve) => {
    const timer = setTimeout(() => {
      socket.destroy();
      resolve();
    }, goodbyeMs);
    socket.once('close', () => {
      clearTimeout(timer);
      resolve();
    });
    client.end();
  });
}
