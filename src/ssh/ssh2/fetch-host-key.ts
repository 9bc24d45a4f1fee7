/**
 * Fetches a server's host keys without logging in: each handshake is ended once the key is there,
 * so that no user name and no credential is sent. Whether a key is trusted is decided elsewhere
 * (host-keys.ts, and the user).
 */
import type { Duplex } from 'node:stream';
import type { Algorithms } from 'ssh2';
import ssh2 from 'ssh2';
import { abortable } from '../../core/abort.js';
import { FerryError } from '../../core/errors.js';
import type { Remote } from '../../core/remote.js';
import { escapeText, formatDuration } from '../../core/text.js';
import { dial } from '../dial.js';
import { algorithmsFor, type OfferedAlgorithms, unknownAlgorithm } from './algorithms.js';
import { joinIdentification } from './identification.js';

export interface HostKeyRequest {
  readonly host: string;
  readonly port: number;
  /** For each connection from dialling to the key, in milliseconds. */
  readonly deadline: number;
  readonly signal: AbortSignal;
  /** The remote's name, for messages. */
  readonly remote: string;
  readonly algorithms?: Remote['algorithms'];
  /** Opens the stream to a server behind a jump host; called once for each family of key types. Default: plain TCP. */
  readonly open?: (signal: AbortSignal) => Promise<Duplex>;
}

/** In the order that OpenSSH prefers; a connection is made for each family. Its names share a key (RSA), or are alternatives (the curves of ECDSA). */
const families: readonly (readonly string[])[] = [
  ['ssh-ed25519'],
  ['ecdsa-sha2-nistp256', 'ecdsa-sha2-nistp384', 'ecdsa-sha2-nistp521'],
  ['rsa-sha2-512', 'rsa-sha2-256'],
];

/**
 * The server's host keys in SSH's wire format, one for each type it has (ed25519, ECDSA, RSA, and
 * what `algorithms` adds), in that order; at least one. Makes a connection for each type, one after
 * another. Errors: `network` (unreachable, silent past the deadline, no SSH), `host-key` (no key of
 * these types, no other algorithm in common), `config` (an unknown algorithm name), or the signal's
 * reason.
 */
export async function fetchHostKey(request: HostKeyRequest): Promise<Buffer[]> {
  // the same as a session offers, except that no known key comes first
  const offered = algorithmsFor(request.algorithms ?? {}, {
    ...request,
    pinned: [],
    knownHosts: [],
  });
  const names = offered.serverHostKey;
  const keys: Buffer[] = [];
  for (const family of familiesOf(names)) {
    try {
      const key = await fetchOne(request, { ...offered, serverHostKey: family });
      if (key !== undefined) keys.push(key);
    } catch (thrown) {
      request.signal.throwIfAborted();
      // the keys so far count, even if the server then accepts no further connection
      if (keys.length === 0 || !(thrown instanceof FerryError)) throw thrown;
      break;
    }
  }
  if (keys.length > 0) return keys;
  throw new FerryError(
    'host-key',
    `${whereOf(request)} has no host key of the types we accept: ${names.join(', ')}`,
    { hint: "the remote's algorithms can allow the types that an old server has" },
  );
}

function whereOf({ remote, host, port }: HostKeyRequest): string {
  return `${remote}: ${escapeText(host)} port ${port}`;
}

/** These names by family, in order of preference; a name of no family is one of its own. */
function familiesOf(names: readonly string[]): string[][] {
  const known = families.map((family) => family.filter((name) => names.includes(name)));
  const others = names.filter((name) => !families.flat().includes(name)).map((name) => [name]);
  return [...known, ...others].filter((family) => family.length > 0);
}

/** Resolves to undefined when the server has no key of the offered types. */
async function fetchOne(
  request: HostKeyRequest,
  offered: OfferedAlgorithms,
): Promise<Buffer | undefined> {
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
    return await handshake(stream, offered, where, signal);
  } finally {
    clearTimeout(timer);
    stream?.destroy();
  }
}

/** Resolves to undefined when the server has no key of the offered types. The stream stays the caller's. */
function handshake(
  stream: Duplex,
  offered: OfferedAlgorithms,
  where: string,
  signal: AbortSignal,
): Promise<Buffer | undefined> {
  return abortable(signal, (resolve, reject) => {
    void joinIdentification(stream, where).foreign.then(reject);
    const client = new ssh2.Client();
    // refusing the key below ends in an error, too, which comes after the promise has resolved
    client.on('error', (error) => {
      client.destroy();
      if (error.message.includes('no matching host key format')) resolve(undefined);
      else reject(handshakeError(error, where));
    });
    client.on('close', () => {
      client.destroy();
      reject(
        new FerryError('network', `${where} closed the connection before it showed a host key`, {
          hint: 'the server may be limiting connections; try again later',
        }),
      );
    });
    try {
      client.connect({
        sock: stream,
        username: 'nobody',
        authHandler: () => false,
        readyTimeout: 0,
        algorithms: offered as Algorithms,
        hostVerifier: (key: Buffer) => {
          resolve(Buffer.from(key));
          return false;
        },
      });
    } catch (thrown) {
      client.destroy();
      reject(unknownAlgorithm(thrown, where) ?? thrown);
    }
    return () => client.destroy();
  });
}

function handshakeError(error: Error, where: string): FerryError {
  const common = /no matching (.*)$/.exec(error.message)?.[1];
  if (common !== undefined) {
    return new FerryError(
      'host-key',
      `${where} and ferryline have no ${escapeText(common)} in common, so its host key can't be fetched`,
      { cause: error, hint: "the remote's algorithms can allow what an old server needs" },
    );
  }
  return new FerryError('network', `${where}: no SSH handshake: ${escapeText(error.message)}`, {
    cause: error,
    hint: 'check host and port, and that an SSH server answers there',
  });
}
