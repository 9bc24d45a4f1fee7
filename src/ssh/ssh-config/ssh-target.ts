/** Parses the text forms of an SSH host and a path on it. Pure; a host name is looked up in ssh-host.ts. */
import { FerryError } from '../../core/errors.js';
import { escapeText } from '../../core/text.js';

export interface SshTarget {
  readonly username: string | undefined;
  /** As typed, without the brackets of an IPv6 address. */
  readonly host: string;
  readonly port: number | undefined;
  readonly path: string;
}

/**
 * Whether an argument of push, pull and mirror names a path on a host: `sftp://…`, or a colon before
 * any slash. A local file with a colon has to be written as `./a:b`.
 */
export function isSshTarget(text: string): boolean {
  return /^sftp:\/\//i.test(text) || /^(?:[^/:[]*@)?(?:\[[^\]/]+\]|[^/:]+):/.test(text);
}

/**
 * Parses `[user@]host:path` (relative to the login folder, also with `~/` in front) and
 * `sftp://[user@]host[:port]/path` (absolute, %-escapes decoded). Anything else is a `config` error,
 * which never repeats a password.
 */
export function parseTarget(text: string): SshTarget {
  if (/^sftp:\/\//i.test(text)) {
    const { path, ...host } = parseUrl(text);
    if (path === undefined) {
      throw usage(text, 'has no path', 'write sftp://host/path; the path is absolute');
    }
    return { ...host, path };
  }
  const match = /^(?:([^:/]+)@)?(\[[^\]/]+\]|[^:@/]+):(.*)$/s.exec(text);
  if (match === null) throw usage(text, 'names no path on a host', 'write [user@]host:path');
  const [, username, host = '', path = ''] = match;
  if (path.includes('\0')) throw usage(text, 'has a NUL in its path', 'write [user@]host:path');
  const inHome = path === '~' ? '' : path.replace(/^~\/+/, '');
  return { username, host: checkHost(host, text), port: undefined, path: inHome };
}

/** Parses `[user@]host` and `sftp://[user@]host[:port]`, as `trust` takes them; a path is ignored. */
export function parseHost(text: string): Omit<SshTarget, 'path'> {
  if (/^sftp:\/\//i.test(text)) {
    const { username, host, port } = parseUrl(text);
    return { username, host, port };
  }
  if (isSshTarget(text)) {
    const { username, host, port, path } = parseTarget(text);
    if (/^\d+$/.test(path))
      throw usage(text, 'has a port after a colon', `write sftp://${host}:${path}`);
    return { username, host, port };
  }
  const match = /^(?:(.+)@)?([^@]+)$/s.exec(text);
  if (match === null) throw usage(text, 'names no host', 'write [user@]host');
  return { username: match[1], host: checkHost(match[2] ?? '', text), port: undefined };
}

/** Parses a hop of ProxyJump: `[user@]host[:port]` or `ssh://[user@]host[:port]` (ssh_config(5)). */
export function parseHop(text: string, place: string): Omit<SshTarget, 'path'> {
  const match = /^(?:ssh:\/\/)?(?:([^/]+)@)?(\[[^\]]+\]|[^:@/]+)(?::(\d+))?\/?$/i.exec(text);
  if (match === null)
    throw usage(text, `is not a jump host (${place})`, 'write [user@]host[:port]');
  const [, username, host = '', port] = match;
  return { username, host: checkHost(host, text), port: portOf(port, text) };
}

function parseUrl(text: string): Omit<SshTarget, 'path'> & { readonly path: string | undefined } {
  const form = 'sftp://[user@]host[:port]/path';
  const match = /^sftp:\/\/(?:([^@/]*)@)?(\[[^\]/]+\]|[^:@/[\]]+)(?::(\d*))?(\/.*)?$/is.exec(text);
  if (match === null) {
    // it may contain a password anywhere, so none of it is repeated
    throw new FerryError('config', 'the sftp:// address is invalid', { hint: `write ${form}` });
  }
  const [, user, host = '', port, path] = match;
  if (user?.includes(':')) {
    throw new FerryError(
      'config',
      `the sftp:// address for ${escapeText(host)} contains a password, which everyone on this machine could read`,
      { hint: 'use a key or an agent, or a remote in jobs.yml whose password comes from a file' },
    );
  }
  if (user?.includes(';')) {
    throw usage(
      text,
      'has parameters after the user name, which are not supported',
      `write ${form}`,
    );
  }
  if (path !== undefined && /[?#]/.test(path)) {
    throw usage(text, 'has a ? or # in its path', 'write them as %3F and %23');
  }
  return {
    username: user === undefined || user === '' ? undefined : decode(user, text),
    host: checkHost(decode(host, text), text),
    port: port === '' ? undefined : portOf(port, text),
    path: path === undefined ? undefined : decode(path, text),
  };
}

function decode(part: string, text: string): string {
  let decoded: string;
  try {
    decoded = decodeURIComponent(part);
  } catch {
    throw usage(text, 'has an invalid %-escape', 'write a percent sign as %25');
  }
  if (decoded.includes('\0'))
    throw usage(text, 'contains a NUL', 'no path or name can contain one');
  return decoded;
}

function checkHost(host: string, text: string): string {
  const bare = /^\[(.+)\]$/.exec(host)?.[1] ?? host;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: a host name contains none of these
  if (bare === '' || /[\s\u0000-\u001f\u007f/@,*?!|#[\]]/.test(bare) || bare.startsWith('-')) {
    throw usage(text, 'has an invalid host name', 'write [user@]host:path');
  }
  return bare;
}

function portOf(port: string | undefined, text: string): number | undefined {
  if (port === undefined) return undefined;
  const number = Number(port);
  if (number >= 1 && number <= 65535) return number;
  throw usage(text, `has port ${port}`, 'a port is a number from 1 to 65535');
}

function usage(text: string, wrong: string, hint: string): FerryError {
  return new FerryError('config', `${escapeText(text)} ${wrong}`, { hint });
}
