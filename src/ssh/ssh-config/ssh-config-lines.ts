/**
 * Parses ssh_config files into directives with their places, and finds the files an Include names.
 * Which directives apply to a host is decided in ssh-config-match.ts.
 *
 * The `ssh-config` package parses the syntax. Its `compute` is not used: it may start programs
 * (Match exec, name look-ups), follows no Include and knows no places.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join, relative, resolve, sep } from 'node:path';
import SSHConfig, { type Line } from 'ssh-config';
import { FerryError } from '../../core/errors.js';
import { present } from '../../core/present.js';
import { escapeText } from '../../core/text.js';
import { matchesPattern } from '../host-keys/host-patterns.js';

/** What the configuration depends on outside the files; tests replace it. */
export interface SshContext {
  /** The user's home folder, absolute. */
  readonly home: string;
  /** The local user's name. */
  readonly user: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Where the machine's ssh_config and ssh_known_hosts are: `/etc/ssh`. */
  readonly systemFolder: string;
}

export interface Directive {
  /** Lower-cased. */
  readonly keyword: string;
  /** At least one, unquoted. */
  readonly args: readonly string[];
  /** `~/.ssh/config:12` */
  readonly place: string;
}

/**
 * The directives of a file in order, Host and Match lines included; none if it is missing or a
 * folder (Include conf.d/*). With `ofUser`, a file that others can write or own is refused, as in
 * OpenSSH: it could send us to another server. Errors are of kind `config`.
 */
export function readDirectives(file: string, ofUser: boolean, context: SshContext): Directive[] {
  const shown = showPath(file, context);
  let text: string;
  try {
    if (ofUser) checkOwner(file, shown);
    text = readFileSync(file, 'utf8');
  } catch (thrown) {
    if (thrown instanceof FerryError) throw thrown;
    const { code } = thrown as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'EISDIR') return [];
    throw new FerryError('config', `${shown} can't be read: ${code}`, {
      ...present({ code }),
      cause: thrown,
    });
  }
  try {
    return flatten(SSHConfig.parse(text), shown);
  } catch (thrown) {
    if (thrown instanceof FerryError) throw thrown;
    const why = thrown instanceof Error ? thrown.message : String(thrown);
    throw new FerryError('config', `${shown} is not in ssh_config format: ${escapeText(why)}`, {
      cause: thrown,
      hint: 'ssh -G HOST shows how OpenSSH reads it',
    });
  }
}

function checkOwner(file: string, shown: string): void {
  const { uid, mode } = statSync(file);
  const trustedOwner = uid === 0 || uid === process.getuid?.();
  if (trustedOwner && (mode & 0o022) === 0) return;
  throw new FerryError('config', `${shown} can be changed by other users, so it is not trusted`, {
    hint: `it must belong to you and be writable for you only: chmod go-w ${shown}`,
  });
}

/** The package keeps every character of the text, so that counting newlines gives the line numbers. */
function flatten(config: SSHConfig, shown: string): Directive[] {
  const directives: Directive[] = [];
  let line = 1;
  const newlines = (text: string) => text.split('\n').length - 1;
  const visit = (node: Line) => {
    line += newlines(node.before);
    // a property is checked because the package's enum differs between its builds
    if ('param' in node) {
      const place = `${shown}:${line}`;
      const args = (typeof node.value === 'string' ? [node.value] : node.value.map((v) => v.val))
        .map((value) => value.trim())
        .filter((value) => value !== '');
      if (node.param !== '') {
        // with a keyword that has no value, the package takes the next line for it
        const [keyword = ''] = node.param.split(/[\r\n]/);
        if (args.length === 0 || keyword !== node.param || newlines(node.separator) > 0) {
          throw new FerryError('config', `${place} ${escapeText(keyword)} has no value`);
        }
        directives.push({ keyword: node.param.toLowerCase(), args, place });
      }
    }
    line += newlines(node.after);
    if ('config' in node) for (const inner of node.config) visit(inner);
  };
  for (const node of config) visit(node);
  return directives;
}

/** A path as messages show it, with `~` for the home folder. */
function showPath(file: string, context: SshContext): string {
  const inHome = relative(context.home, file);
  const shown = inHome !== '' && !inHome.startsWith('..') ? `~${sep}${inHome}` : file;
  return escapeText(shown);
}

/** Replaces a leading `~` or `~/` by the home folder. */
export function expandTilde(path: string, context: SshContext): string {
  if (path === '~') return context.home;
  return path.startsWith('~/') ? join(context.home, path.slice(2)) : path;
}

/** The files that an Include argument names, in lexical order. `~` is expanded, every segment may have wildcards, and a relative path starts at `base`. */
export function includedFiles(pattern: string, base: string, context: SshContext): string[] {
  const path = resolve(base, expandTilde(pattern, context));
  let found = ['/'];
  for (const segment of path.split('/').filter((part) => part !== '')) {
    found = /[*?]/.test(segment)
      ? found.flatMap((folder) =>
          namesIn(folder)
            .filter((name) => !name.startsWith('.') || segment.startsWith('.'))
            .filter((name) => matchesPattern(segment, name))
            .map((name) => join(folder, name)),
        )
      : found.map((folder) => join(folder, segment));
  }
  return found;
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).sort();
  } catch {
    return [];
  }
}
