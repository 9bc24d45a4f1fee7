/**
 * Asks a server for its host keys and goes away before logging in: the handshake is refused as
 * soon as the key is seen, so that no name and no credential is ever sent. What the key is worth
 * is for host-keys.ts and a person to say.
 */
import type { Duplex } from 'node:stream';
import type { Algorithms } from 'ssh2';
import ssh2 from 'ssh2';
import { FerryError } from '../../core/errors.js';
import { escapeText, formatDuration } from '../../core/text.js';
import { dial } from '../dial.js';
import { joinIdentification } from './identification.js';
import { algorithmsFor } from './offers.js';

export interface HostKeyRequest {
  readonly host: string;
  readonly port: number;
  /** Milliseconds for each of the connections made, from dialling to the key. */
  readonly deadline: number;
  readonly signal: AbortSignal;
  /** The remote's name, for messages. */
  readonly remote: string;
  /** The remote's `algorithms`, for a server that needs other ones than the default. */
  readonly algorithms?: Readonly<Record<string, unknown>>;
  /** Opens the stream to the server, where it isn't plain TCP (a jump host). Called once for each key type. */
  readonly open?: (signal: AbortSignal) => Promise<Duplex>;
}

/** ssh2's `algorithms`, spelled out. */
type Offer = Readonly<Record<string, string[]>> & { readonly serverHostKey: string[] };

/** Types in the order OpenSSH prefers them; names of one group share a key, or are alternatives. */
const families: readonly (readonly string[])[] = [
  ['ssh-ed25519'],
  ['ecdsa-sha2-nistp256', 'ecdsa-sha2-nistp384', 'ecdsa-sha2-nistp521'],
  ['rsa-sha2-512', 'rsa-sha2-256'],
];

/**
 * The server's host keys as the SSH wire carries them, one for each type it has (ed25519, ECDSA,
 * RSA, and what `algorithms` adds), in that order; at least one. It takes a connection for each
 * type, one after another.
 * Errors: `network` when the server can't be reached, is silent past the deadline or speaks no
 * SSH; `host-key` when it has no key of these types or no other algorithm in common; the signal's
 * reason when it fires.
 */
export async function fetchHostKey(request: HostKeyRequest): Promise<Buffer[]> {
  // The same offer as a session makes, but for the preference for keys we know.
  const offer = algorithmsFor(request.algorithms ?? {}, { ...request, pinned: [], knownHosts: [] });
  const names = offer.serverHostKey ?? [];
  const keys: Buffer[] = [];
  for (const family of groups(names)) {
    try {
      const key = await fetchOne(request, { ...offer, serverHostKey: family });
      if (key !== undefined) keys.push(key);
    } catch (thrown) {
      request.signal.throwIfAborted();
      // A server that has had enough of us has still shown the others.
      if (keys.length === 0 || !(thrown instanceof FerryError)) throw thrown;
      break;
    }
  }
  if (keys.length > 0) return keys;
  throw new FerryError(
    'host-key',
    `${whereOf(request)} has no host key of the types we accept: ${names.join(', ')}`,
    { hint: "a server with older keys only can be let in with the remote's algorithms" },
  );
}

function whereOf({ remote, host, port }: HostKeyRequest): string {
  return `${remote}: ${escapeText(host)} port ${port}`;
}

/** One group for each type of key among these names, in their order of preference. */
function groups(names: readonly string[]): string[][] {
  const known = families.map((family) => family.filter((name) => names.includes(name)));
  const others = names.filter((name) => !families.flat().includes(name)).map((name) => [name]);
  return [...known, ...others].filter((group) => group.length > 0);
}

/** Resolves to undefined when the server has no key of the offered types. */
async function fetchOne(request: HostKeyRequest, offer: Offer): Promise<Buffer | undefined> {
  const { host, port, deadline } = request;
  const where = whereOf(request);
  const late = new AbortController();
  const timer = setTimeout(() => {
    late.abort(
      new FerryError('network', `${where} showed no host key within ${formatDuration(deadline)}`, {
        code: 'ETIMEDOUT',
        hint: 'check host and port, and that an SSH server answers there',
      }),
    );
  }, deadline);
  const signal = AbortSignal.any([request.signal, late.signal]);
  let stream: Duplex | undefined;
  try {
    signal.throwIfAborted();
    stream = await (request.open === undefined
      ? dial(host, port, where, deadline, signal)
      : request.open(signal));
    return await handshake(stream, offer, where, signal);
  } finally {
    clearTimeout(timer);
    stream?.destroy();
  }
}

function handshake(
  stream: Duplex,
  offer: Offer,
  where: string,
  signal: AbortSignal,
): Promise<Buffer | undefined> {
  return new Promise((resolve, reject) => {
    joinIdentification(stream);
    const client = new ssh2.Client();
    const abort = () => finish(() => reject(signal.reason));
    const finish = (settle: () => void) => {
      signal.removeEventListener('abort', abort);
      client.destroy();
      settle();
    };
    signal.addEventListener('abort', abort, { once: true });
    // The refusal below comes back as an error, too: settled promises don't mind.
    client.on('error', (error) =>
      finish(() => {
        if (error.message.includes('no matching host key format')) resolve(undefined);
        else reject(handshakeError(error, where));
      }),
    );
    client.on('close', () =>
      finish(() =>
        reject(
          new FerryError('network', `${where} closed the connection before it showed a host key`, {
            hint: 'the server may be limiting connections; try again later',
          }),
        ),
      ),
    );
    try {
      client.connect({
        sock: stream,
        username: 'nobody',
        authHandler: () => false,
        readyTimeout: 0,
        algorithms: offer as Algorithms,
        hostVerifier: (key: Buffer) => {
          resolve(Buffer.from(key));
          return false;
        },
      });
    } catch (thrown) {
      // ssh2 refuses algorithm names it doesn't know.
      const why = thrown instanceof Error ? thrown.message : String(thrown);
      finish(() => reject(new FerryError('config', `${where}: ${why}`, { cause: thrown })));
    }
  });
}

function handshakeError(error: Error, where: string): FerryError {
  const common = /no matching (.*)$/.exec(error.message)?.[1];
  if (common !== undefined) {
    return new FerryError(
      'host-key',
      `${where} shares no ${escapeText(common)} with us, so its host key can't be seen`,
      { cause: error, hint: "the remote's algorithms can allow what an old server needs" },
    );
  }
  return new FerryError('network', `${where}: no SSH handshake: ${escapeText(error.message)}`, {
    cause: error,
    hint: 'check host and port, and that an SSH server answers there',
  });
}
