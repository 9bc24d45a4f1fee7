/**
 * Logs in with a key in one round trip instead of three. ssh2 waits for the server's word that it
 * logs in at all (RFC 4253 §10), then asks whether a key would do, then signs. The requests may as
 * well leave together, since a server takes them in order, and a signature may come with the
 * question (RFC 4252 §7). Keys of an agent are still asked about first.
 */
import type { Client, ParsedKey } from 'ssh2';

type Sign = (blob: Buffer, done: (signature: Buffer) => void) => void;

/** The part of ssh2 1.17 that its published types leave out. */
interface Internals {
  readonly _protocol?: {
    authPK?: (username: string, key: ParsedKey, algorithm?: string, sign?: Sign) => void;
    readonly _handlers?: { SERVICE_ACCEPT?: (protocol: unknown, service: string) => void };
  };
}

/** Hash of each RSA signature algorithm (RFC 8332 §3); other key types have their own. */
const hashes: Readonly<Record<string, string>> = {
  'rsa-sha2-256': 'sha256',
  'rsa-sha2-512': 'sha512',
  'ssh-rsa': 'sha1',
};

/** Makes the client sign with private keys at hand from now on. */
export function signAtOnce(client: Client): void {
  const protocol = (client as unknown as Internals)._protocol;
  const ask = protocol?.authPK?.bind(protocol);
  if (protocol === undefined || ask === undefined) return;
  protocol.authPK = (username, key, algorithm, sign) => {
    if (sign !== undefined || !key.isPrivateKey?.()) {
      ask(username, key, algorithm, sign);
      return;
    }
    ask(username, key, algorithm, (blob, done) => {
      const signature = key.sign(blob, hashes[algorithm ?? key.type]);
      if (signature instanceof Error)
        ask(username, key, algorithm); // ssh2 says why when it tries
      else done(signature);
    });
  };
}

/** Makes a client that is about to ask for the login service log in with the same write. Called once the host key is accepted. */
export function logInAtOnce(client: Client): void {
  const protocol = (client as unknown as Internals)._protocol;
  const handlers = protocol?._handlers;
  const logIn = handlers?.SERVICE_ACCEPT;
  if (handlers === undefined || logIn === undefined) return;
  handlers.SERVICE_ACCEPT = () => {}; // a server that refuses the service disconnects
  process.nextTick(() => logIn(protocol, 'ssh-userauth'));
}
