/**
 * Decides whether a server's host key is accepted, from pinned keys and the text of known_hosts
 * files. Pure: the files are read by read-known-hosts.ts, their format is in known-hosts.ts. Every
 * login asks here before a credential is sent; no setting accepts every key.
 *
 * The first rule that applies decides:
 * 1. a key on a `@revoked` line for this host is refused, pinned or not;
 * 2. a certificate is refused: this transport can't verify one;
 * 3. if keys are pinned, they alone decide;
 * 4. a known_hosts line with this very key accepts it, whatever other lines say (sshd(8):
 *    "authentication is accepted if valid information can be found from either file");
 * 5. another key for this host, of any type, means that the key has changed;
 * 6. on a port other than 22, if nothing is known for `[host]:port`, a line for the plain host
 *    with this very key accepts it (OpenSSH's sshconnect.c, "checking without port identifier");
 * 7. otherwise the key is unknown.
 */
import { FerryError } from '../../core/errors.js';
import { hostKeyAlgorithms } from '../../core/remote.js';
import { escapeText } from '../../core/text.js';
import {
  fingerprint,
  type KnownHostsLine,
  keyType,
  lookupName,
  type MalformedLine,
  namesHost,
  parseKnownHosts,
} from './known-hosts.js';

export { fingerprint, keyType, knownHostsLine } from './known-hosts.js';

export interface HostKeyRules {
  readonly host: string;
  readonly port: number;
  /** ssh_config's HostKeyAlias, looked up instead of host and port. */
  readonly alias?: string;
  /** `SHA256:…` or `type base64`; if there is one, known_hosts accepts no key. */
  readonly pinned: readonly string[];
  readonly knownHosts: readonly { readonly file: string; readonly text: string }[];
  /** The remote's name as `ferryline trust` takes it, for messages. */
  readonly remote: string;
}

export type HostKeyVerdict =
  /** `by` is what accepted the key: `hostKey`, or `FILE:LINE`. */
  { readonly ok: true; readonly by: string } | { readonly ok: false; readonly error: FerryError };

/** What the rules say about a key; `verifyHostKey` puts it into words. */
export type HostKeyStanding =
  | { readonly kind: 'pinned' }
  | { readonly kind: 'known'; readonly line: KnownHostsLine }
  | { readonly kind: 'revoked'; readonly line: KnownHostsLine }
  | { readonly kind: 'certificate' }
  | { readonly kind: 'not-pinned' }
  | { readonly kind: 'changed'; readonly lines: readonly KnownHostsLine[] }
  | { readonly kind: 'authority-only'; readonly line: KnownHostsLine }
  | { readonly kind: 'unknown' };

/** The known_hosts lines about a host. */
interface HostLines {
  /** Under the name it is looked up by. */
  readonly own: readonly KnownHostsLine[];
  /** Under its name without the port; empty for port 22 or with an alias, when `own` has them. */
  readonly plain: readonly KnownHostsLine[];
  readonly malformed: readonly MalformedLine[];
}

function linesFor(rules: HostKeyRules): HostLines {
  const files = rules.knownHosts.map(({ file, text }) => parseKnownHosts(file, text));
  const lines = files.flatMap((file) => file.lines);
  const malformed = files.flatMap((file) => file.malformed);
  const name = lookupName(rules.host, rules.port, rules.alias);
  const plainName = lookupName(rules.host, 22, rules.alias);
  return {
    own: lines.filter((line) => namesHost(line.names, name)),
    plain: plainName === name ? [] : lines.filter((line) => namesHost(line.names, plainName)),
    malformed,
  };
}

const isKeyLine = (line: KnownHostsLine) => line.marker === 'none';

/** What these rules say about a key in SSH's wire format. */
export function standingOf(rules: HostKeyRules, key: Buffer): HostKeyStanding {
  return judge(rules, linesFor(rules), key);
}

function judge(rules: HostKeyRules, lines: HostLines, key: Buffer): HostKeyStanding {
  const { own, plain } = lines;
  const holds = (line: KnownHostsLine) => line.key.equals(key);
  const revoked = [...own, ...plain].find((line) => line.marker === 'revoked' && holds(line));
  if (revoked !== undefined) return { kind: 'revoked', line: revoked };
  if (isCertificate(key)) return { kind: 'certificate' };
  if (rules.pinned.length > 0) {
    return rules.pinned.some((pin) => isPin(pin, key))
      ? { kind: 'pinned' }
      : { kind: 'not-pinned' };
  }
  const keys = own.filter(isKeyLine);
  const exact = keys.find(holds);
  if (exact !== undefined) return { kind: 'known', line: exact };
  if (keys.length > 0) return { kind: 'changed', lines: keys };
  const withoutPort = plain.filter(isKeyLine).find(holds);
  if (withoutPort !== undefined) return { kind: 'known', line: withoutPort };
  const authority = own.find((line) => line.marker === 'cert-authority');
  return authority === undefined
    ? { kind: 'unknown' }
    : { kind: 'authority-only', line: authority };
}

function isCertificate(key: Buffer): boolean {
  return keyType(key).endsWith('-cert-v01@openssh.com');
}

function isPin(pin: string, key: Buffer): boolean {
  if (pin.startsWith('SHA256:')) return pin.replace(/=+$/, '') === fingerprint(key);
  const [type, encoded = ''] = pin.trim().split(/\s+/);
  return type === keyType(key) && Buffer.from(encoded, 'base64').equals(key);
}

/**
 * Accepts or refuses the key that a server presented. The errors are of kind `host-key` (exit 6)
 * and show the fingerprints of the presented key and of the expected ones.
 */
export function verifyHostKey(rules: HostKeyRules, key: Buffer): HostKeyVerdict {
  const lines = linesFor(rules);
  const standing = judge(rules, lines, key);
  switch (standing.kind) {
    case 'pinned':
      return { ok: true, by: 'hostKey' };
    case 'known':
      return { ok: true, by: place(standing.line) };
    default:
      return { ok: false, error: refusal(rules, lines, key, standing) };
  }
}

function refusal(
  rules: HostKeyRules,
  lines: HostLines,
  key: Buffer,
  standing: Exclude<HostKeyStanding, { kind: 'pinned' | 'known' }>,
): FerryError {
  const host = `${escapeText(rules.host)} port ${rules.port}`;
  const got = describeKey(key);
  const trust = `run: ferryline trust ${rules.remote}`;
  const error = (message: string, hint: string) =>
    new FerryError('host-key', `${rules.remote}: ${message}`, { hint });
  switch (standing.kind) {
    case 'revoked':
      return error(
        `the host key of ${host} is revoked and must never be accepted: ${got} (${place(standing.line)})`,
        "the server's owner has to give it a new key; don't connect before that",
      );
    case 'certificate':
      return error(
        `${host} presented a host certificate (${got}), and this transport doesn't support certificates`,
        "let the server offer its plain host key, and pin that with the remote's hostKey",
      );
    case 'not-pinned':
      return error(
        `the host key of ${host} is not the pinned one: expected ${rules.pinned.map(describePin).join(' or ')}, got ${got}`,
        `the server has a new key, or further ones of other types, or another machine answers in its place: "ferryline trust ${rules.remote}" shows all its keys; change the remote's hostKey only to a key that its owner confirms`,
      );
    case 'changed': {
      const places = standing.lines.map(place).join(', ');
      const expected = standing.lines.map((line) => `${describeKey(line.key)} (${place(line)})`);
      return error(
        `the host key of ${host} has changed: expected ${expected.join(' or ')}, got ${got}`,
        `the server has a new key, or another machine answers in its place: ask its owner; only if the new fingerprint is right, remove ${places} and ${trust}`,
      );
    }
    case 'authority-only':
      return error(
        `the host key of ${host} is not known: ${got}; ${place(standing.line)} has a certificate authority for it, and this transport doesn't support certificates`,
        `compare the fingerprint with the one from the server's owner, then ${trust}`,
      );
    case 'unknown':
      return error(
        `the host key of ${host} is not known: ${got}; ${lookedIn(rules, lines)}`,
        `compare the fingerprint with the one from the server's owner, then ${trust}`,
      );
  }
}

function lookedIn(rules: HostKeyRules, lines: HostLines): string {
  const files = rules.knownHosts.map(({ file }) => escapeText(file));
  const where =
    files.length === 0 ? 'there was no file to look in' : `looked in ${files.join(', ')}`;
  const [bad] = lines.malformed;
  if (bad === undefined) return where;
  const more = lines.malformed.length > 1 ? ` and ${lines.malformed.length - 1} more` : '';
  return `${where}, where line ${place(bad)}${more} could not be read (${bad.problem})`;
}

function place(line: { readonly file: string; readonly line: number }): string {
  return `${escapeText(line.file)}:${line.line}`;
}

/** A key as messages show it: type and fingerprint. */
export function describeKey(key: Buffer): string {
  return `${escapeText(keyType(key)) || 'unknown type'} ${fingerprint(key)}`;
}

function describePin(pin: string): string {
  if (pin.startsWith('SHA256:')) return escapeText(pin);
  const [, encoded = ''] = pin.trim().split(/\s+/);
  return describeKey(Buffer.from(encoded, 'base64'));
}

/**
 * The algorithms of the keys we know, to offer first, so that of its keys the server presents one
 * we know (as OpenSSH's order_hostkeyalgs does). Empty when nothing is known, or only a fingerprint
 * that no known_hosts line has a key for.
 */
export function knownHostKeyAlgorithms(rules: HostKeyRules): string[] {
  const { own, plain } = linesFor(rules);
  const revoked = [...own, ...plain].filter((line) => line.marker === 'revoked');
  let keys: Buffer[];
  if (rules.pinned.length > 0) {
    const spelled = rules.pinned.filter((pin) => !pin.startsWith('SHA256:'));
    const recorded = [...own, ...plain].map((line) => line.key);
    keys = [
      ...spelled.map((pin) => Buffer.from(pin.trim().split(/\s+/)[1] ?? '', 'base64')),
      ...recorded.filter((key) => rules.pinned.some((pin) => isPin(pin, key))),
    ];
  } else {
    const ownKeys = own.filter(isKeyLine);
    keys = (ownKeys.length > 0 ? ownKeys : plain.filter(isKeyLine)).map((line) => line.key);
  }
  const usable = keys.filter((key) => !revoked.some((line) => line.key.equals(key)));
  return [...new Set(usable.flatMap((key) => hostKeyAlgorithms[keyType(key)] ?? []))];
}
