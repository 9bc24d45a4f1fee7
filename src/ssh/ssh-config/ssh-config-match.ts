/**
 * Finds the directives of the ssh_config files that apply to a host, by Host, Match and Include; the
 * first value obtained wins (ssh_config(5)). What the values mean is in ssh-config.ts.
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

/** What wins over the files. */
export interface HostOverrides {
  readonly username?: string | undefined;
  readonly port?: number | undefined;
  readonly jump?: readonly string[];
}

/** The place of a value that the user typed. */
export const commandLine = 'command line';
/** Files nested deeper than this are refused, as in OpenSSH's readconf.c. */
const deepestInclude = 16;

export interface CollectedDirectives {
  /** The first one that applies, by lower-cased keyword. */
  readonly values: ReadonlyMap<string, Directive>;
  /** All IdentityFile lines that apply; a line may be there twice. */
  readonly identities: readonly Directive[];
  /** Sentences about what was ignored. */
  readonly notes: readonly string[];
}

/**
 * Reads the user's file, then the machine's, and keeps the directives that apply to `host` as
 * typed. If a line says `Match final`, both are read a second time, as in OpenSSH's readconf.c.
 * Match exec, and criteria that are not known here, never match, negated or not.
 */
export function collectDirectives(
  host: string,
  overrides: HostOverrides,
  context: SshContext,
): CollectedDirectives {
  return new DirectiveCollector(host, overrides, context).collect();
}

class DirectiveCollector {
  readonly #host: string;
  readonly #context: SshContext;
  readonly #values = new Map<string, Directive>();
  readonly #identities: Directive[] = [];
  readonly #notes = new Set<string>();
  /** Whether the files are being read a second time. */
  #isFinalPass = false;
  /** Whether a second time is needed. */
  #hasMatchFinal = false;

  constructor(host: string, { username, port, jump }: HostOverrides, context: SshContext) {
    this.#host = host;
    this.#context = context;
    if (username !== undefined) this.#override('user', username);
    if (port !== undefined) this.#override('port', String(port));
    // the caller's hops replace the host's own ProxyJump and ProxyCommand
    if (jump !== undefined) this.#override('proxyjump', 'none');
  }

  collect(): CollectedDirectives {
    this.#readFiles();
    if (this.#hasMatchFinal) {
      this.#isFinalPass = true;
      this.#readFiles();
    }
    return { values: this.#values, identities: this.#identities, notes: [...this.#notes] };
  }

  #override(keyword: string, value: string): void {
    this.#values.set(keyword, { keyword, args: [value], place: commandLine });
  }

  #readFiles(): void {
    const { home, systemFolder } = this.#context;
    this.#read(join(home, '.ssh', 'config'), true, 0, true);
    this.#read(join(systemFolder, 'ssh_config'), false, 0, true);
  }

  /** `outer`: whether the block with the Include applies. */
  #read(file: string, ofUser: boolean, depth: number, outer: boolean): void {
    const context = this.#context;
    const folder = ofUser ? join(context.home, '.ssh') : context.systemFolder;
    let applies = outer;
    for (const directive of readDirectives(file, ofUser, context)) {
      const { keyword, args, place } = directive;
      if (keyword === 'host') applies = outer && matchesList(args, this.#hostForHostLines());
      else if (keyword === 'match') applies = outer && this.#matches(directive);
      else if (keyword === 'include') {
        if (depth >= deepestInclude) {
          throw new FerryError(
            'config',
            `${place} Include is nested deeper than ${deepestInclude} files`,
          );
        }
        for (const included of args.flatMap((arg) => includedFiles(arg, folder, context))) {
          this.#read(included, ofUser, depth + 1, applies);
        }
      } else if (applies) this.#keep(directive);
    }
  }

  #keep(directive: Directive): void {
    const { keyword } = directive;
    if (keyword === 'identityfile') {
      this.#identities.push(directive);
      return;
    }
    // the second pass looks for the name that the first one has found
    if (keyword === 'hostname' && this.#isFinalPass) return;
    const rival = { proxyjump: 'proxycommand', proxycommand: 'proxyjump' }[keyword];
    if (rival !== undefined && this.#values.has(rival)) return;
    if (!this.#values.has(keyword)) this.#values.set(keyword, directive);
  }

  #matches({ args, place }: Directive): boolean {
    let all = true;
    for (let i = 0; i < args.length; i++) {
      const written = (args[i] ?? '').toLowerCase();
      const negated = written.startsWith('!');
      const word = negated ? written.slice(1) : written;
      const argument = ['all', 'canonical', 'final'].includes(word) ? '' : (args[++i] ?? '');
      const verdict = this.#criterion(word, argument, place);
      if (verdict === undefined || verdict === negated) all = false;
    }
    return all;
  }

  /** Undefined if the criterion can't be evaluated. */
  #criterion(word: string, argument: string, place: string): boolean | undefined {
    const patterns = argument.split(',');
    // unlike Host lines and user names, these ignore case (OpenSSH's match_hostname)
    const matchesName = (name: string) =>
      matchesList(
        patterns.map((pattern) => pattern.toLowerCase()),
        name.toLowerCase(),
      );
    switch (word) {
      case 'all':
        return true;
      case 'canonical':
        return false;
      case 'final':
        this.#hasMatchFinal = true;
        return this.#isFinalPass;
      case 'host':
        return matchesName(this.#hostName());
      case 'originalhost':
        return matchesName(this.#host);
      case 'user':
        return matchesList(patterns, this.#values.get('user')?.args[0] ?? this.#context.user);
      case 'localuser':
        return matchesList(patterns, this.#context.user);
      default:
        this.#notes.add(
          `${place} Match ${escapeText(word)} is never evaluated; its block is ignored`,
        );
        return undefined;
    }
  }

  /** The name to connect to, as far as it is known. */
  #hostName(): string {
    return expandHost(this.#values.get('hostname'), this.#host);
  }

  /** In the second pass Host lines apply to the name to connect to. */
  #hostForHostLines(): string {
    return this.#isFinalPass ? this.#hostName().toLowerCase() : this.#host;
  }
}

/** HostName with its tokens expanded, or the host as typed. */
export function expandHost(directive: Directive | undefined, host: string): string {
  if (directive === undefined) return host;
  return expandTokens(directive.args[0] ?? host, directive.place, { '%': '%', h: host });
}

/** Expands `%` and a letter (ssh_config(5) TOKENS); a token that `tokens` lacks is a `config` error. */
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
