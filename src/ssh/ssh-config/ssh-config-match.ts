/**
 * Which directives of the ssh_config files apply to one host: Host, Match and Include, and that
 * the first value obtained wins (ssh_config(5)). What the values mean is in ssh-config.ts.
 */
import { join } from 'node:path';
import { FerryError } from '../../core/errors.js';
import { escapeText } from '../../core/text.js';
import { matchesList } from '../host-keys/host-patterns.js';
import {
  type Directive,
  includedFiles,
  readDirectives,
  type SshContext,
} from './ssh-config-lines.js';

/** What the command line fixed already. */
export interface Given {
  readonly username?: string | undefined;
  readonly port?: number | undefined;
  /** Jump hops that replace what the files say. */
  readonly jump?: readonly string[];
}

export const commandLine = 'command line';
/** As in OpenSSH's readconf.c. */
const deepestInclude = 16;

export interface Collected {
  /** The first that applies of each keyword, lower-cased. */
  readonly values: ReadonlyMap<string, Directive>;
  /** All IdentityFile lines that apply; some may stand here twice. */
  readonly identities: readonly Directive[];
  /** Sentences about what was passed over. */
  readonly notes: readonly string[];
}

/**
 * Walks the user's file, then the machine's, and keeps the directives that apply to `host` as
 * typed. A second walk follows where some line says `Match final`, as in OpenSSH's readconf.c.
 * Match exec, and criteria this version doesn't know, never match, negated or not.
 */
export function collect(host: string, given: Given, context: SshContext): Collected {
  const values = new Map<string, Directive>();
  const identities: Directive[] = [];
  const notes = new Set<string>();
  const fromCommandLine = (keyword: string, value: string | undefined) => {
    if (value !== undefined) values.set(keyword, { keyword, args: [value], place: commandLine });
  };
  fromCommandLine('user', given.username);
  fromCommandLine('port', given.port === undefined ? undefined : String(given.port));
  // Where a hop is on its way through others, its own ProxyJump and ProxyCommand don't count.
  if (given.jump !== undefined) fromCommandLine('proxyjump', 'none');

  let finalPass = false;
  let finalAsked = false;
  const user = () => values.get('user')?.args[0] ?? context.user;
  const target = () => (finalPass ? reached().toLowerCase() : host);
  const reached = () => expandHost(values.get('hostname'), host);

  const criterion = (word: string, argument: string, place: string): boolean | undefined => {
    const list = argument.split(',');
    // Unlike Host lines and users, these ignore case (OpenSSH's match_hostname).
    const hosts = (patterns: string[]) => patterns.map((pattern) => pattern.toLowerCase());
    switch (word) {
      case 'all':
        return true;
      case 'canonical':
        return false;
      case 'final':
        finalAsked = true;
        return finalPass;
      case 'host':
        return matchesList(hosts(list), reached().toLowerCase());
      case 'originalhost':
        return matchesList(hosts(list), host.toLowerCase());
      case 'user':
        return matchesList(list, user());
      case 'localuser':
        return matchesList(list, context.user);
      default:
        notes.add(
          `${place} Match ${escapeText(word)} is never evaluated; its block is passed over`,
        );
        return undefined;
    }
  };
  const matches = ({ args, place }: Directive): boolean => {
    let all = true;
    for (let i = 0; i < args.length; i++) {
      const written = (args[i] ?? '').toLowerCase();
      const negated = written.startsWith('!');
      const word = negated ? written.slice(1) : written;
      const argument = ['all', 'canonical', 'final'].includes(word) ? '' : (args[++i] ?? '');
      const verdict = criterion(word, argument, place);
      // What can't be evaluated doesn't match, negated or not.
      if (verdict === undefined || verdict === negated) all = false;
    }
    return all;
  };
  const keep = (directive: Directive) => {
    const { keyword } = directive;
    if (keyword === 'identityfile') {
      identities.push(directive);
      return;
    }
    // The name to connect to is settled before the second walk.
    if (keyword === 'hostname' && finalPass) return;
    const rival = { proxyjump: 'proxycommand', proxycommand: 'proxyjump' }[keyword];
    if (rival !== undefined && values.has(rival)) return;
    if (!values.has(keyword)) values.set(keyword, directive);
  };
  const walk = (file: string, ofUser: boolean, depth: number, outer: boolean) => {
    let active = outer;
    const base = ofUser ? join(context.home, '.ssh') : context.systemFolder;
    for (const directive of readDirectives(file, ofUser, context)) {
      const { keyword, args, place } = directive;
      if (keyword === 'host') active = outer && matchesList(args, target());
      else if (keyword === 'match') active = outer && matches(directive);
      else if (keyword === 'include') {
        if (depth >= deepestInclude) {
          throw new FerryError(
            'config',
            `${place} Include goes deeper than ${deepestInclude} files`,
          );
        }
        for (const included of args.flatMap((arg) => includedFiles(arg, base, context))) {
          walk(included, ofUser, depth + 1, active);
        }
      } else if (active) keep(directive);
    }
  };
  const pass = () => {
    walk(join(context.home, '.ssh', 'config'), true, 0, true);
    walk(join(context.systemFolder, 'ssh_config'), false, 0, true);
  };
  pass();
  if (finalAsked) {
    finalPass = true;
    pass();
  }
  return { values, identities, notes: [...notes] };
}

/** HostName with its tokens expanded, or the host as typed. */
export function expandHost(directive: Directive | undefined, host: string): string {
  if (directive === undefined) return host;
  return expandTokens(directive.args[0] ?? host, directive.place, { '%': '%', h: host });
}

/** ssh_config(5) TOKENS, those that need nothing but what is known here. */
export function expandTokens(
  text: string,
  place: string,
  tokens: Readonly<Record<string, string>>,
): string {
  return text.replace(/%(.?)/g, (_, letter: string) => {
    const value = Object.hasOwn(tokens, letter) ? tokens[letter] : undefined;
    if (value !== undefined) return value;
    throw new FerryError(
      'config',
      `${place} the token %${escapeText(letter)} is not supported here`,
      {
        hint: `supported: ${Object.keys(tokens)
          .map((known) => `%${known}`)
          .join(' ')}`,
      },
    );
  });
}
