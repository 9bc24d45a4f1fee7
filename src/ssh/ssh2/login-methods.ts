/** The ways to log in that a remote's `auth` allows, in the order in which they are tried. */
import type { AuthenticationType } from 'ssh2';
import type { Remote } from '../../core/remote.js';
import { escapeText } from '../../core/text.js';
import type { SessionLog } from '../transport.js';
import type { PrivateKey } from './key-file.js';

interface LoginMethod {
  /** For messages, without a secret. */
  readonly label: string;
  readonly type: AuthenticationType;
  /** What ssh2's `authHandler` takes. */
  readonly auth: Record<string, unknown>;
}

/** Named keys, then the agent, then the password; keys found by default come after the agent. */
export class LoginMethods {
  /** Whether the first one can be sent before the server has named the types it accepts. An RSA key can't: the server first has to name the hashes. */
  readonly firstAtOnce: boolean;
  readonly #username: string;
  readonly #log: SessionLog;
  readonly #left: LoginMethod[];
  readonly #tried: string[] = [];

  constructor(
    { auth, username }: Remote,
    { keys, password }: { readonly keys: readonly PrivateKey[]; readonly password?: string },
    log: SessionLog,
  ) {
    this.#username = username;
    this.#log = log;
    const byKey = keys.map(({ path, key }) => keyMethod(username, path, key));
    const byAgent = auth.agent === undefined ? [] : [agentMethod(username, auth.agent)];
    const byPassword = password === undefined ? [] : passwordMethods(username, password);
    this.#left = auth.keysOptional
      ? [...byAgent, ...byKey, ...byPassword]
      : [...byKey, ...byAgent, ...byPassword];
    const first = this.#left[0]?.auth;
    const key = first?.key as PrivateKey['key'] | undefined;
    this.firstAtOnce = first?.type === 'password' || (key !== undefined && key.type !== 'ssh-rsa');
  }

  /** The methods handed out so far, for messages. */
  get tried(): readonly string[] {
    return this.#tried;
  }

  /** The next method for ssh2's `authHandler`, or false when none is left. `accepted`: the types that the server accepts; null before it has named them. */
  next(accepted: readonly string[] | null): Record<string, unknown> | false {
    let method = this.#left.shift();
    while (method !== undefined && accepted !== null && !accepted.includes(method.type))
      method = this.#left.shift();
    if (method === undefined) return false;
    this.#tried.push(method.label);
    this.#log('status', `logging in as ${escapeText(this.#username)} with ${method.label}`);
    return method.auth;
  }
}

function keyMethod(username: string, path: string, key: PrivateKey['key']): LoginMethod {
  return {
    label: `key ${escapeText(path)}`,
    type: 'publickey',
    auth: { type: 'publickey', username, key },
  };
}

function agentMethod(username: string, agent: string): LoginMethod {
  return {
    label: 'the keys of the agent',
    type: 'publickey',
    auth: { type: 'agent', username, agent },
  };
}

/** As a password, and by keyboard-interactive for servers that ask for it that way. */
function passwordMethods(username: string, password: string): LoginMethod[] {
  // a server that asks for anything but one password gets no answer
  const prompt = (
    _name: string,
    _instructions: string,
    _language: string,
    prompts: readonly unknown[],
    answer: (answers: string[]) => void,
  ) => answer(prompts.length === 1 ? [password] : []);
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
