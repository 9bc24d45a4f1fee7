/**
 * `transport: openssh`: what a remote's keys mean to the system's ssh. What jobs.yml does not say is
 * left to ssh_config; what ssh has its own way for is refused rather than half obeyed.
 */
import { createHash } from 'node:crypto';
import type { Complain } from './checks.js';
import { plainHostKey } from './host-key.js';
import { localPath, type Person } from './location.js';
import type { RawRemote } from './remote-schema.js';

/** Refuses keys that this transport can't carry out. */
export function checkOpenssh(raw: RawRemote, complain: Complain): void {
  const refuse = (keys: readonly string[], instead: string) =>
    complain(keys, `does not go with transport: openssh; ${instead}`);
  if (raw.auth?.password !== undefined)
    refuse(['auth', 'password'], 'no password is ever typed into ssh; use a key or the agent');
  if (raw.auth?.passphrase !== undefined)
    refuse(['auth', 'passphrase'], 'put the key into an agent');
  if (raw.algorithms !== undefined)
    refuse(['algorithms'], 'ssh_config has Ciphers, KexAlgorithms and HostKeyAlgorithms');
  if (raw.jump !== undefined) refuse(['jump'], 'ssh_config has ProxyJump');
}

/** `-o` options of ssh for what the remote says. */
export function opensshOptions(raw: RawRemote, person: Person): string[] {
  const file = (text: string) => quoted(localPath(text, person));
  const options: string[] = [];
  if (raw.port !== undefined) options.push(`Port=${raw.port}`);
  if (raw.username !== undefined) options.push(`User=${raw.username}`);
  if (raw.auth !== undefined) {
    for (const key of list(raw.auth.key)) options.push(`IdentityFile=${file(key)}`);
    if (raw.auth.key !== undefined) options.push('IdentitiesOnly=yes');
    if (raw.auth.agent !== true) options.push('IdentityAgent=none');
  }
  if (raw.hostKey !== undefined) options.push(...pinOptions(list(raw.hostKey)));
  else if (raw.knownHosts !== undefined) {
    options.push(`UserKnownHostsFile=${list(raw.knownHosts).map(file).join(' ')}`);
    options.push('GlobalKnownHostsFile=/dev/null');
  }
  return options;
}

/**
 * Pinned keys by ssh_config(5) KnownHostsCommand: a shell's `case` names the key that the server
 * has shown, if it is one of ours, and no file is asked. Pins hold nothing that a shell reads.
 */
function pinOptions(pins: readonly string[]): string[] {
  const prints = pins.map(plainHostKey).map((pin) => {
    const [, data] = pin.split(' ');
    if (data === undefined) return pin;
    const hash = createHash('sha256').update(Buffer.from(data, 'base64')).digest('base64');
    return `SHA256:${hash.replace(/=+$/, '')}`;
  });
  const types = pins.flatMap((pin) => algorithms[pin.split(' ')[0] ?? ''] ?? []);
  const script = `case " ${prints.join(' ')} " in *" $1 "*) echo "$2 $3 $4";; esac`;
  return [
    `KnownHostsCommand=/bin/sh -c '${script}' sh %f %H %t %K`,
    'UserKnownHostsFile=/dev/null',
    'GlobalKnownHostsFile=/dev/null',
    // The kind that is pinned is asked for first, or a server with several shows another one.
    ...(types.length === 0 ? [] : [`HostKeyAlgorithms=^${types.join(',')}`]),
  ];
}

const algorithms: Readonly<Record<string, readonly string[]>> = {
  'ssh-ed25519': ['ssh-ed25519'],
  'ssh-rsa': ['rsa-sha2-512', 'rsa-sha2-256'],
  'ecdsa-sha2-nistp256': ['ecdsa-sha2-nistp256'],
  'ecdsa-sha2-nistp384': ['ecdsa-sha2-nistp384'],
  'ecdsa-sha2-nistp521': ['ecdsa-sha2-nistp521'],
};

/** As ssh_config reads words: quoted where a space would end them; `%` would begin a token. */
function quoted(path: string): string {
  const plain = path.replace(/%/g, '%%');
  return /[\s"]/.test(plain) ? `"${plain.replace(/(["\\])/g, '\\$1')}"` : plain;
}

function list<T>(value: T | readonly T[] | undefined): readonly T[] {
  if (value === undefined) return [];
  return Array.isArray(value) ? value : [value as T];
}
