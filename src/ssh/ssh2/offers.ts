/** What we offer a server: algorithms, and ways to log in. Weak ones are off unless a remote allows them. */
import type { AuthenticationType, NegotiatedAlgorithms } from 'ssh2';
import type { Remote } from '../../core/remote.js';
import { escapeText } from '../../core/text.js';
import { type HostKeyRules, knownKeyTypes } from '../host-keys/host-keys.js';
import type { SessionLog } from '../transport.js';
import type { PrivateKey } from './key-file.js';

/** In order of preference; AES-GCM is 15 to 40 % faster than chacha20 where the CPU has AES. No SHA-1, no CBC. */
const offered: Readonly<Record<string, readonly string[]>> = {
  kex: [
    'curve25519-sha256',
    'curve25519-sha256@libssh.org',
    'ecdh-sha2-nistp256',
    'ecdh-sha2-nistp384',
    'ecdh-sha2-nistp521',
    'diffie-hellman-group-exchange-sha256',
    'diffie-hellman-group14-sha256',
    'diffie-hellman-group16-sha512',
    'diffie-hellman-group18-sha512',
  ],
  cipher: [
    'aes128-gcm@openssh.com',
    'aes256-gcm@openssh.com',
    'chacha20-poly1305@openssh.com',
    'aes128-ctr',
    'aes192-ctr',
    'aes256-ctr',
  ],
  serverHostKey: [
    'ssh-ed25519',
    'ecdsa-sha2-nistp256',
    'ecdsa-sha2-nistp384',
    'ecdsa-sha2-nistp521',
    'rsa-sha2-512',
    'rsa-sha2-256',
  ],
  hmac: [
    'hmac-sha2-256-etm@openssh.com',
    'hmac-sha2-512-etm@openssh.com',
    'hmac-sha2-256',
    'hmac-sha2-512',
  ],
  compress: ['none'],
};

interface Change {
  readonly append?: string | readonly string[];
  readonly prepend?: string | readonly string[];
  readonly remove?: string | readonly string[];
}

const list = (value: string | readonly string[] | undefined): readonly string[] =>
  value === undefined ? [] : typeof value === 'string' ? [value] : value;

/** ssh2's `algorithms`: ours, changed as the remote says, host key types we know moved to the front. */
export function algorithmsFor(
  wanted: Remote['algorithms'],
  rules: HostKeyRules,
): Record<string, string[]> {
  const result: Record<string, string[]> = {};
  for (const [kind, ours] of Object.entries(offered)) {
    const change = wanted[kind] as readonly string[] | Change | undefined;
    if (Array.isArray(change)) result[kind] = [...change];
    else {
      const { append, prepend, remove } = (change ?? {}) as Change;
      const gone = list(remove);
      const all = [...list(prepend), ...ours, ...list(append)];
      result[kind] = [...new Set(all)].filter((name) => !gone.includes(name));
    }
  }
  const known = knownKeyTypes(rules);
  const types = result.serverHostKey ?? [];
  result.serverHostKey = [
    ...types.filter((type) => known.includes(type)),
    ...types.filter((type) => !known.includes(type)),
  ];
  return result;
}

/** Whether these algorithms are open to prefix truncation unless key exchange was strict (CVE-2023-48795). */
export function terrapinProne(negotiated: NegotiatedAlgorithms): boolean {
  return [negotiated.cs, negotiated.sc].some(
    ({ cipher, mac }) =>
      cipher === 'chacha20-poly1305@openssh.com' ||
      (cipher.endsWith('-cbc') && mac.endsWith('-etm@openssh.com')),
  );
}

interface Attempt {
  /** For messages, without a secret. */
  readonly words: string;
  readonly method: AuthenticationType;
  readonly auth: Record<string, unknown>;
}

/**
 * The ways to log in, in order: keys that were named, the agent, keys found by default, password.
 * `next` is an ssh2 `authHandler`; `tried` grows with each one sent.
 */
export function loginsFor(remote: Remote, keys: readonly PrivateKey[], log: SessionLog) {
  const { auth, username } = remote;
  const ofKeys: Attempt[] = keys.map(({ path, key }) => ({
    words: `key ${escapeText(path)}`,
    method: 'publickey',
    auth: { type: 'publickey', username, key },
  }));
  const ofAgent: Attempt[] =
    auth.agent === undefined
      ? []
      : [
          {
            words: 'the keys of the agent',
            method: 'publickey',
            auth: { type: 'agent', username, agent: auth.agent },
          },
        ];
  const { password } = auth;
  const ofPassword: Attempt[] =
    password === undefined
      ? []
      : [
          {
            words: 'the password',
            method: 'password',
            auth: { type: 'password', username, password },
          },
          {
            words: 'the password, keyboard-interactive',
            method: 'keyboard-interactive',
            auth: {
              type: 'keyboard-interactive',
              username,
              // a server that asks anything but the one password gets no answer
              prompt: (
                _name: string,
                _instructions: string,
                _language: string,
                prompts: readonly unknown[],
                answer: (answers: string[]) => void,
              ) => answer(prompts.length === 1 ? [password] : []),
            },
          },
        ];
  const attempts = auth.keysOptional
    ? [...ofAgent, ...ofKeys, ...ofPassword]
    : [...ofKeys, ...ofAgent, ...ofPassword];
  const tried: string[] = [];
  const first = attempts[0]?.auth;
  const key = first?.key as PrivateKey['key'] | undefined;
  return {
    tried: tried as readonly string[],
    /** Whether the first one needs no word of the server before: which hash it wants with an RSA key, say. */
    atOnce: first?.type === 'password' || (key !== undefined && key.type !== 'ssh-rsa'),
    next: (
      left: readonly string[] | null,
      _partial: boolean | null,
      go: (auth: unknown) => void,
    ) => {
      let attempt = attempts.shift();
      while (attempt !== undefined && left !== null && !left.includes(attempt.method))
        attempt = attempts.shift();
      if (attempt !== undefined) {
        tried.push(attempt.words);
        log('status', `logging in as ${escapeText(username)} with ${attempt.words}`);
      }
      go(attempt?.auth ?? false);
    },
  };
}
