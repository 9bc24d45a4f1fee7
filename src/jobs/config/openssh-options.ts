/**
 * `transport: openssh`: a remote's keys as options of the system's ssh. Keys that jobs.yml does not
 * set are left to ssh_config; a key that only ssh_config can express is refused, never half obeyed.
 */
import { createHash } from 'node:crypto';
import { hostKeyAlgorithms } from '../../core/remote.js';
import type { ReportProblem } from './checks.js';
import { plainHostKey } from './host-key.js';
import { localPath, type UserContext } from './location.js';
import type { RemoteKeys } from './merge.js';
import { listOf } from './shapes.js';

/** Reports the keys that do not work with this transport. */
export function checkOpenssh(raw: RemoteKeys, report: ReportProblem): void {
  const refuse = (keys: readonly string[], instead: string) =>
    report(keys, `does not work with transport: openssh; ${instead}`);
  if (raw.auth?.password !== undefined) refuse(['auth', 'password'], 'use a key or the agent');
  if (raw.auth?.passphrase !== undefined) refuse(['auth', 'passphrase'], 'add the key to an agent');
  if (raw.algorithms !== undefined)
    refuse(['algorithms'], 'set Ciphers, KexAlgorithms or HostKeyAlgorithms in ssh_config');
  if (raw.jump !== undefined) refuse(['jump'], 'set ProxyJump in ssh_config');
}

/** The `-o` options of ssh for a remote. */
export function opensshOptions(raw: RemoteKeys, user: UserContext): string[] {
  const file = (text: string) => quoted(localPath(text, user));
  const options: string[] = [];
  if (raw.port !== undefined) options.push(`Port=${raw.port}`);
  if (raw.username !== undefined) options.push(`User=${raw.username}`);
  if (raw.auth !== undefined) {
    for (const key of listOf(raw.auth.key)) options.push(`IdentityFile=${file(key)}`);
    if (raw.auth.key !== undefined) options.push('IdentitiesOnly=yes');
    if (raw.auth.agent !== true) options.push('IdentityAgent=none');
  }
  if (raw.hostKey !== undefined) options.push(...pinOptions(listOf(raw.hostKey)));
  else if (raw.knownHosts !== undefined) {
    options.push(`UserKnownHostsFile=${listOf(raw.knownHosts).map(file).join(' ')}`);
    options.push('GlobalKnownHostsFile=/dev/null');
  }
  return options;
}

/**
 * Pinned keys through ssh_config(5) KnownHostsCommand: a shell's `case` prints the key that the server
 * showed if it is pinned, and no file is read. Pins contain nothing that a shell interprets.
 */
function pinOptions(pins: readonly string[]): string[] {
  const prints = pins.map(plainHostKey).map((pin) => {
    const [, data] = pin.split(' ');
    if (data === undefined) return pin;
    const hash = createHash('sha256').update(Buffer.from(data, 'base64')).digest('base64');
    return `SHA256:${hash.replace(/=+$/, '')}`;
  });
  const types = pins.flatMap((pin) => hostKeyAlgorithms[pin.split(' ')[0] ?? ''] ?? []);
  const script = `case " ${prints.join(' ')} " in *" $1 "*) echo "$2 $3 $4";; esac`;
  return [
    `KnownHostsCommand=/bin/sh -c '${script}' sh %f %H %t %K`,
    'UserKnownHostsFile=/dev/null',
    'GlobalKnownHostsFile=/dev/null',
    // Asks for the pinned type first: a server with several keys would show another one.
    ...(types.length === 0 ? [] : [`HostKeyAlgorithms=^${types.join(',')}`]),
  ];
}

/** A path as a word of ssh_config: quoted if it contains a space, `%` doubled since it begins a token. */
function quoted(path: string): string {
  const plain = path.replace(/%/g, '%%');
  return /[\s"]/.test(plain) ? `"${plain.replace(/(["\\])/g, '\\$1')}"` : plain;
}
