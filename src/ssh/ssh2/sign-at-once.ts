/**
 * Logs in with a key in one round trip instead of three. ssh2 waits until the server has accepted
 * the login service (RFC 4253 §10), then asks whether the key is acceptable, then signs. A server
 * takes requests in order, so the first two can leave together, and a signature may come with the
 * question (RFC 4252 §7). Keys of an agent are still asked about first.
 */
import type { Client, ParsedKey } from 'ssh2';
import { isAgentKey } from './agent-keys.js';

type Sign = (blob: Buffer, done: (signature: Buffer) => void) => void;

/** The part of ssh2 1.17 that its published types leave out. */
interface LoginInternals {
  readonly _protocol?: {
    authPK?: (username: string, key: ParsedKey, algorithm?: string, sign?: Sign) => void;
    readonly _handlers?: { SERVICE_ACCEPT?: (protocol: unknown, service: string) => void };
  };
}

/** By RSA signature algorithm (RFC 8332 §3); other key types have a fixed hash. */
const hashes: Readonly<Record<string, string>> = {
  'rsa-sha2-256': 'sha256',
  'rsa-sha2-512': 'sha512',
  'ssh-rsa': 'sha1',
};

/**
 * Makes the client send the signature with the question whenever it has the private key, and has an
 * agent sign for keys that it keeps. `onUnsigned` gets the reason why an agent did not.
 */
export function signAtOnce(client: Client, onUnsigned: (error: Error) => void): void {
  const protocol = (client as unknown as LoginInternals)._protocol;
  const ask = protocol?.authPK?.bind(protocol);
  if (protocol === undefined || ask === undefined) return;
  protocol.authPK = (username, key, algorithm, sign) => {
    if (sign !== undefined && isAgentKey(key)) {
      ask(username, key, algorithm, (blob, done) => {
        key.signByAgent(blob, hashes[algorithm ?? key.type], (error, signature) => {
          if (error || signature === undefined) onUnsigned(error ?? new Error('no signature'));
          else done(signature);
        });
      });
      return;
    }
    if (sign !== undefined || isAgentKey(key) || !key.isPrivateKey?.()) {
      ask(username, key, algorithm, sign);
      return;
    }
    ask(username, key, algorithm, (blob, done) => {
      const signature = key.sign(blob, hashes[algorithm ?? key.type]);
      if (signature instanceof Error)
        ask(username, key, algorithm); // ssh2 reports why when it signs itself
      else done(signature);
    });
  };
}

/** Makes a client that is about to request the login service send its first login with the same write. Call it once the host key is accepted. */
export function logInAtOnce(client: Client): void {
  const protocol = (client as unknown as LoginInternals)._protocol;
  const handlers = protocol?._handlers;
  const logIn = handlers?.SERVICE_ACCEPT;
  if (handlers === undefined || logIn === undefined) return;
  handlers.SERVICE_ACCEPT = () => {}; // a server that refuses the service disconnects
  process.nextTick(() => logIn(protocol, 'ssh-userauth'));
}
