/** The ways to log in that a remote's `auth` allows, in the order in which they are tried. */
import type { AuthenticationType, ParsedKey } from 'ssh2';
import { FerryError } from '../../core/errors.js';
import type { Remote } from '../../core/remote.js';
import { escapeText } from '../../core/text.js';
import type { SessionLog } from '../transport.js';
import type { AgentKey } from './agent-keys.js';
import type { PrivateKey } from './key-file.js';
import { asksForChange, asksForPassword, type Question } from './questions.js';

interface LoginMethod {
  /** For messages, without a secret. */
  readonly label: string;
  readonly type: AuthenticationType;
  /** What ssh2's `authHandler` takes. */
  readonly auth: Record<string, unknown>;
}

/** What there is to log in with, read from files, agent and commands. */
export interface Credentials {
  readonly keys: readonly PrivateKey[];
  readonly agentKeys: readonly AgentKey[];
  /** Why keys in files can't be used here, a sentence each. */
  readonly unusable?: readonly string[];
  /** Public keys that name which keys of the agent come first, in SSH's wire format. */
  readonly preferred: readonly Buffer[];
  readonly password?: string;
}

/** Keys that a server is offered; the others are left out. OpenSSH's server ends a login at the sixth method that fails, and a password may have to follow. */
const mostKeys = 5;

/**
 * Named keys, then the agent's, then the password; keys found by default come after the agent's. A
 * server may want several methods (RFC 4252 §5.1, partial success), in an order of its own: what it
 * does not accept yet is kept, and what it refused before one was accepted is tried again.
 */
export class LoginMethods {
  /** Whether the first one can be sent before the server has named the types it accepts. An RSA key can't: the server first has to name the hashes. */
  readonly firstAtOnce: boolean;
  /** Keys that are not offered, since there are too many. */
  readonly leftOut: number;
  /** Why keys in files can't be used here, a sentence each. */
  readonly unusable: readonly string[];
  /** Called when the server asks for something that has no answer here; the login has to end. */
  onUnanswerable: (error: FerryError) => void = () => {};
  readonly #remote: Remote;
  readonly #log: SessionLog;
  readonly #methods: readonly LoginMethod[];
  readonly #tried: string[] = [];
  /** Those that the server has accepted, as a part of what it wants. */
  readonly #accepted = new Set<LoginMethod>();
  /** Those it has refused since. */
  readonly #refused = new Set<LoginMethod>();
  #last: LoginMethod | undefined;
  #wantsMore: readonly string[] = [];
  #wasRefused = false;

  constructor(remote: Remote, credentials: Credentials, log: SessionLog) {
    this.#remote = remote;
    this.#log = log;
    const { password } = credentials;
    this.unusable = [
      ...(credentials.unusable ?? []),
      ...(remote.auth.agent === undefined ? ['there is no agent'] : []),
    ];
    const { methods, leftOut } = keyMethods(remote, credentials);
    this.leftOut = leftOut;
    if (leftOut > 0)
      log('status', `${leftOut} more keys are not offered: a server ends a login with too many`);
    const unanswered = (error: FerryError) => this.onUnanswerable(error);
    this.#methods = [
      ...methods,
      ...(password === undefined ? [] : passwordMethods(remote, password, unanswered)),
    ];
    const first = this.#methods[0]?.auth;
    const key = first?.key as ParsedKey | undefined;
    this.firstAtOnce = first?.type === 'password' || (key !== undefined && key.type !== 'ssh-rsa');
  }

  /** The methods handed out so far, for messages. */
  get tried(): readonly string[] {
    return this.#tried;
  }

  /** Whether the server has refused a method. */
  get wasRefused(): boolean {
    return this.#wasRefused;
  }

  /** The types of login that the server wants besides what it has accepted; empty unless it has accepted something. */
  get wantsMore(): readonly string[] {
    return this.#wantsMore;
  }

  /**
   * The next method for ssh2's `authHandler`, or false when none is left. `accepted`: the types that
   * the server accepts now; null before it has named them. `partial`: whether the last method was
   * right and more are wanted.
   */
  next(accepted: readonly string[] | null, partial = false): Record<string, unknown> | false {
    const last = this.#last;
    if (last !== undefined && partial) {
      // each can be accepted once, so that the server can't ask for ever
      this.#accepted.add(last);
      this.#refused.clear();
      this.#wantsMore = accepted ?? [];
      this.#log('status', `accepted; the server wants more: ${this.#wantsMore.map(escapeText)}`);
    } else if (last !== undefined) {
      this.#refused.add(last);
      this.#wasRefused = true;
    }
    const method = this.#methods.find(
      (one) =>
        !this.#accepted.has(one) &&
        !this.#refused.has(one) &&
        (accepted === null || accepted.includes(one.type)),
    );
    this.#last = method;
    if (method === undefined) return false;
    if (!this.#tried.includes(method.label)) this.#tried.push(method.label);
    const user = escapeText(this.#remote.username);
    this.#log('status', `logging in as ${user} with ${method.label}`);
    return method.auth;
  }
}

/** The keys of files and agent in their order, each once, and not more than a server endures. */
function keyMethods(
  { auth, username }: Remote,
  { keys, agentKeys, preferred }: Credentials,
): { readonly methods: readonly LoginMethod[]; readonly leftOut: number } {
  const inFiles = keys.map(({ path, key }) => keyMethod(username, `key ${escapeText(path)}`, key));
  const isPreferred = (key: ParsedKey) => preferred.some((one) => one.equals(key.getPublicSSH()));
  const inAgent = [
    ...agentKeys.filter(isPreferred),
    ...agentKeys.filter((key) => !isPreferred(key)),
  ].map((key) => keyMethod(username, `the agent's key ${labelOf(key)}`, key));
  // of an agent with many keys so many that those in files are offered, too
  const fits = Math.max(mostKeys - inFiles.length, 0);
  const cut = inAgent.slice(0, fits);
  const ordered = auth.keysOptional ? [...cut, ...inFiles] : [...inFiles, ...cut];
  const seen = new Set<string>();
  const each = ordered.filter(({ auth: { key } }) => {
    const blob = (key as ParsedKey).getPublicSSH().toString('base64');
    return !seen.has(blob) && seen.add(blob);
  });
  const methods = each.slice(0, mostKeys);
  return { methods, leftOut: each.length - methods.length + inAgent.length - cut.length };
}

function labelOf({ comment, type }: ParsedKey): string {
  return escapeText(typeof comment === 'string' && comment !== '' ? comment : type);
}

function keyMethod(username: string, label: string, key: ParsedKey): LoginMethod {
  return { label, type: 'publickey', auth: { type: 'publickey', username, key } };
}

/** As a password, and by keyboard-interactive for servers that ask for it that way. */
function passwordMethods(
  { username, host, name }: Remote,
  password: string,
  unanswered: (error: FerryError) => void,
): LoginMethod[] {
  let answered = false;
  const prompt = (
    _title: string,
    instructions: string,
    _language: string,
    questions: readonly Question[],
    answer: (answers: string[]) => void,
  ) => {
    if (!answered && asksForPassword(questions, [username, host])) {
      answered = true;
      answer([password]);
    } else unanswered(unanswerable(name, instructions, questions, answered));
  };
  return [
    {
      label: 'the password',
      type: 'password',
      auth: { type: 'password', username, password },
    },
    {
      label: 'the password, keyboard-interactive',
      type: 'keyboard-interactive',
      auth: { type: 'keyboard-interactive', username, prompt },
    },
  ];
}

/** A server's words in a message are cut to this length. */
const longestQuote = 200;

function quoted(text: string): string {
  return `"${escapeText(text.trim().slice(0, longestQuote))}"`;
}

function unanswerable(
  remote: string,
  instructions: string,
  questions: readonly Question[],
  answered: boolean,
): FerryError {
  const asked = questions.map(({ prompt }) => prompt.trim()).join(' ');
  const words = [instructions.trim(), asked].filter((part) => part !== '').join(' ');
  if (asksForChange(words)) return passwordChange(remote, words);
  const why =
    questions.length > 1
      ? 'several questions at once'
      : answered
        ? 'another question after the password'
        : 'a question that is not for the password';
  return new FerryError(
    'auth',
    `${remote}: the login asks ${quoted(words)}: ${why}, which was not answered`,
    {
      code: 'EQUESTION',
      hint: 'a second factor needs a person: log in with a key, or with an account that has none; `transport: openssh` can use a certificate',
    },
  );
}

/** The error for a server that asks for a new password (RFC 4252 §8), in its words. */
export function passwordChange(remote: string, words: string): FerryError {
  return new FerryError(
    'auth',
    `${remote}: the server wants the password changed before it lets this account in: ${quoted(words)}`,
    {
      code: 'EPASSWORDCHANGE',
      hint: 'log in by hand once (`ssh USER@HOST`), change the password, and write the new one where `auth` reads it',
    },
  );
}
