/**
 * The known_hosts format: its lines, and which of them speak about a host. What follows for a
 * server's key is decided in host-keys.ts; no file is read here.
 *
 * From sshd(8) "SSH_KNOWN_HOSTS FILE FORMAT": the fields and their order, the two markers and that
 * only one may stand on a line, comma-separated patterns with `*`, `?` and `!`, `[host]:port`,
 * one hashed name a line without wildcards, comments and empty lines.
 * From OpenSSH's hostfile.c and sshconnect.c, where the page is silent: patterns are lower-cased
 * and looked up with a lower-cased name; port 22 is looked up without brackets; a HostKeyAlias is
 * looked up without a port; a hashed name is `|1|salt|HMAC-SHA1(salt, name)`, both base64, the salt
 * 20 bytes; a key whose own type differs from the line's is no key.
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
  /** The key as the SSH wire carries it. */
  readonly key: Buffer;
}

/** A line that is neither comment nor usable, and why. */
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

/** Reads one file's text. Total: a line that can't be understood is listed, and speaks for no host. */
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

/** The name a host is looked up and recorded under: the alias, `host`, or `[host]:port` when the port isn't 22. */
export function lookupName(host: string, port: number, alias?: string): string {
  if (alias !== undefined) return alias.toLowerCase();
  const name = host.toLowerCase();
  return port === 22 ? name : `[${name}]:${port}`;
}

/** Whether a line's names field speaks about `name` (as `lookupName` gives it). */
export function namesHost(names: string, name: string): boolean {
  const hashed = hashedName.exec(names);
  if (hashed === null) return matchesList(names.toLowerCase().split(','), name);
  const [, salt = '', hash = ''] = hashed;
  const mine = createHmac('sha1', Buffer.from(salt, 'base64')).update(name).digest();
  return timingSafeEqual(mine, Buffer.from(hash, 'base64'));
}

/** A key's type as its own bytes name it (RFC 4253 §6.6); `''` when they name none. */
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
 * The line that makes a key known, without a newline.
 * A host name that would read as a pattern, a list or a marker is a config error.
 */
export function knownHostsLine(host: string, port: number, key: Buffer, alias?: string): string {
  const name = lookupName(host, port, alias);
  if (!/^[^\s,*?!|#@]+$/.test(name)) {
    throw new FerryError(
      'config',
      `${escapeText(name)} can't stand in a known_hosts file: it would be read as a pattern`,
      { hint: 'use the plain host name or address' },
    );
  }
  return `${name} ${keyType(key)} ${key.toString('base64')}`;
}
