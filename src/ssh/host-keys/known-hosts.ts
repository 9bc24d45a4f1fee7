/**
 * The known_hosts format: parses its lines and finds those about a host. No file is read here; what
 * the lines mean for a server's key is decided in host-keys.ts.
 *
 * From sshd(8) "SSH_KNOWN_HOSTS FILE FORMAT": the fields and their order, the two markers and that a
 * line has at most one, comma-separated patterns with `*`, `?` and `!`, `[host]:port`, one hashed
 * name a line without wildcards, comments and empty lines.
 * From OpenSSH's hostfile.c and sshconnect.c, for what the page leaves open: patterns and the name
 * looked up are lower-cased; port 22 is looked up without brackets, a HostKeyAlias without a port;
 * a hashed name is `|1|salt|HMAC-SHA1(salt, name)`, both in base64, the salt of 20 bytes; a line
 * whose type differs from its key's own is invalid.
 */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { FerryError } from '../../core/errors.js';
import { escapeText } from '../../core/text.js';
import { matchesList } from './host-patterns.js';

export interface KnownHostsLine {
  readonly file: string;
  /** From 1. */
  readonly line: number;
  readonly marker: 'none' | 'revoked' | 'cert-authority';
  /** The names field as written. */
  readonly names: string;
  readonly type: string;
  /** In SSH's wire format. */
  readonly key: Buffer;
}

/** A line that can't be used, and why. */
export interface MalformedLine {
  readonly file: string;
  readonly line: number;
  readonly problem: string;
}

export interface KnownHosts {
  readonly lines: readonly KnownHostsLine[];
  readonly malformed: readonly MalformedLine[];
}

const base64 = /^[A-Za-z0-9+/]+={0,2}$/;
const hashedName = /^\|1\|([A-Za-z0-9+/]{27}=)\|([A-Za-z0-9+/]{27}=)$/;

/** Parses the text of a file. Never throws: a line that can't be used is listed, and is about no host. */
export function parseKnownHosts(file: string, text: string): KnownHosts {
  const lines: KnownHostsLine[] = [];
  const malformed: MalformedLine[] = [];
  for (const [index, raw] of text.split('\n').entries()) {
    const trimmed = raw.trim();
    if (trimmed === '' || trimmed.startsWith('#')) continue;
    const read = parseLine(trimmed);
    if (typeof read === 'string') malformed.push({ file, line: index + 1, problem: read });
    else lines.push({ file, line: index + 1, ...read });
  }
  return { lines, malformed };
}

function parseLine(text: string): Omit<KnownHostsLine, 'file' | 'line'> | string {
  const fields = text.split(/[ \t]+/);
  let marker: KnownHostsLine['marker'] = 'none';
  if (fields[0]?.startsWith('@')) {
    const word = fields.shift();
    if (word === '@revoked') marker = 'revoked';
    else if (word === '@cert-authority') marker = 'cert-authority';
    else return 'unknown marker';
    if (fields[0]?.startsWith('@')) return 'more than one marker';
  }
  const [names, type, encoded] = fields;
  if (names === undefined || type === undefined || encoded === undefined) return 'no key';
  if (names.startsWith('|') && !hashedName.test(names)) return 'not a hashed name';
  if (!base64.test(encoded)) return 'the key is not base64';
  const key = Buffer.from(encoded, 'base64');
  if (keyType(key) !== type) return 'the key is not of the type the line names';
  return { marker, names, type, key };
}

/** The name that a host is looked up and recorded by: the alias, `host`, or `[host]:port` if the port isn't 22. */
export function lookupName(host: string, port: number, alias?: string): string {
  if (alias !== undefined) return alias.toLowerCase();
  const name = host.toLowerCase();
  return port === 22 ? name : `[${name}]:${port}`;
}

/** Whether a line's names field includes `name`, as `lookupName` returns it. */
export function namesHost(names: string, name: string): boolean {
  const hashed = hashedName.exec(names);
  if (hashed === null) return matchesList(names.toLowerCase().split(','), name);
  const [, salt = '', hash = ''] = hashed;
  const own = createHmac('sha1', Buffer.from(salt, 'base64')).update(name).digest();
  return timingSafeEqual(own, Buffer.from(hash, 'base64'));
}

/** The type that a key itself names (RFC 4253 §6.6); `''` if it names none. */
export function keyType(key: Buffer): string {
  if (key.length < 4) return '';
  const length = key.readUInt32BE(0);
  return length <= 64 && length <= key.length - 4 ? key.toString('latin1', 4, 4 + length) : '';
}

/** `SHA256:` and the unpadded base64 of the key's SHA-256, as `ssh-keygen -l` prints it. */
export function fingerprint(key: Buffer): string {
  return `SHA256:${createHash('sha256').update(key).digest('base64').replace(/=+$/, '')}`;
}

/**
 * The line that makes a key known, without a newline. A host name that would be read as a pattern, a
 * list or a marker is a `config` error.
 */
export function knownHostsLine(host: string, port: number, key: Buffer, alias?: string): string {
  const name = lookupName(host, port, alias);
  if (!/^[^\s,*?!|#@]+$/.test(name)) {
    throw new FerryError(
      'config',
      `${escapeText(name)} can't be written to a known_hosts file: it would be read as a pattern`,
      { hint: 'use the plain host name or address' },
    );
  }
  return `${name} ${keyType(key)} ${key.toString('base64')}`;
}
