/** SSH keys made by ssh-keygen. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

export type KeyType = 'ed25519' | 'rsa' | 'ecdsa';

export interface KeyPair {
  /** The private key's file, mode 0600. */
  readonly file: string;
  /** `type base64`, as in known_hosts and authorized_keys. */
  readonly publicKey: string;
  /** `SHA256:…` */
  readonly fingerprint: string;
}

/** Makes a key pair at `file` and `file.pub`. */
export function makeKey(file: string, type: KeyType = 'ed25519', passphrase = ''): KeyPair {
  execFileSync('ssh-keygen', ['-q', '-t', type, '-N', passphrase, '-C', '', '-f', file], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [kind, base64] = readFileSync(`${file}.pub`, 'utf8').trim().split(' ');
  const listed = execFileSync('ssh-keygen', ['-l', '-E', 'sha256', '-f', `${file}.pub`], {
    encoding: 'utf8',
  });
  return {
    file,
    publicKey: `${kind} ${base64}`,
    fingerprint: listed.split(' ')[1] ?? '',
  };
}
