/** Turns ssh2's errors while connecting and logging in into ours: a message, a hint and the kind that decides the exit code. */
import { FerryError } from '../../core/errors.js';
import { present } from '../../core/present.js';
import { escapeText, formatDuration } from '../../core/text.js';
import { notSsh } from '../not-ssh.js';
import type { LastWords } from './peer-words.js';

export interface LoginFacts {
  /** `archive: host.example port 22`. */
  readonly where: string;
  readonly methods: {
    /** The login methods tried so far, as messages call them. */
    readonly tried: readonly string[];
    readonly wasRefused: boolean;
    /** What the server wants besides what it has accepted. */
    readonly wantsMore: readonly string[];
    /** Keys that are not offered, since there are too many. */
    readonly leftOut: number;
    /** Why keys in files can't be used here, a sentence each. */
    readonly unusable?: readonly string[];
  };
  /** For an answer, in milliseconds. */
  readonly deadline: number;
  /** What has come where the server's identification should be. */
  readonly identification: { readonly held: Buffer };
  readonly last: LastWords;
  /** Whether the login has succeeded. */
  readonly loggedIn: () => boolean;
}

const refusedCode = 'EREFUSEDLOGIN';

/** Whether an error is that a server took nothing of what it was offered. */
export function isRefusedLogin(thrown: unknown): boolean {
  return thrown instanceof FerryError && thrown.code === refusedCode;
}

/** Reasons to disconnect that say nothing about the login (RFC 4253 §11.1): key exchange, MAC, compression, version, connection lost, too many connections. */
const troubleCodes = [3, 5, 6, 8, 10, 12];
const trouble =
  /shut(?:ting)? ?down|restart|maintenance|too many (?:connections|users|sessions)|try again|temporar|busy|overload/i;

/** Undefined means that the connection ended without an error. ssh2's `level` says at which stage one happened. */
export function connectionError(
  error: (Error & { level?: string }) | undefined,
  facts: LoginFacts,
): FerryError {
  const { where, deadline, identification } = facts;
  const detail = escapeText(error?.message ?? '');
  const cause = present({ cause: error });
  if (error?.level === 'client-authentication' || error?.level === 'agent')
    return refused(facts, '', cause);
  if (/no matching host key/i.test(detail))
    return new FerryError('host-key', `${where}: no host key type in common (${detail})`, {
      ...cause,
      hint: 'an old server may need `algorithms: { serverHostKey: { append: [ssh-rsa] } }`',
    });
  if (/no matching/i.test(detail))
    return new FerryError(
      'auth',
      `${where} offers only algorithms that are not allowed here (${detail})`,
      {
        ...cause,
        hint: 'update the server; `algorithms` of this remote can allow what it needs',
      },
    );
  if (identification.held.length > 0) return notSsh(where, identification.held);
  if (error?.level === 'client-timeout')
    return new FerryError('network', `${where} did not answer within ${formatDuration(deadline)}`, {
      ...cause,
      code: 'ETIMEDOUT',
      hint: 'run it again; check that the server answers SSH on this port',
    });
  if (endedTheLogin(error, facts)) {
    const words = facts.last.text ?? '';
    return refused(facts, words === '' ? 'hung up' : `"${escapeText(words)}"`, cause);
  }
  const words = detail === '' ? escapeText(facts.last.text ?? '') : detail;
  return new FerryError(
    'network',
    `${where}: connection lost${words === '' ? '' : ` (${words})`}`,
    {
      ...cause,
      code: 'ECONNLOST',
      hint: 'run it again; what was done stays done',
    },
  );
}

/** Whether the server ended the connection because of the login, and not because of the line or its own state. */
function endedTheLogin(error: Error | undefined, { methods, last, loggedIn }: LoginFacts): boolean {
  if (loggedIn() || methods.tried.length === 0) return false;
  // some hang up without a word after too many refusals
  if (last.code === undefined) return error === undefined && methods.wasRefused;
  return !troubleCodes.includes(last.code) && !trouble.test(last.text ?? '');
}

function refused(
  { where, methods }: LoginFacts,
  words: string,
  cause: { cause?: Error },
): FerryError {
  const { tried, wantsMore, leftOut, unusable = [] } = methods;
  const why = unusable.length === 0 ? '' : `: ${unusable.join(', ')}`;
  const ways =
    tried.length === 0
      ? `there is no usable key and no password${why}`
      : `tried ${tried.join(', ')}`;
  const more =
    wantsMore.length === 0
      ? ''
      : `; it accepted one of them and wants ${wantsMore.map(escapeText).join(' or ')} as well`;
  const left = leftOut === 0 ? '' : `; ${leftOut} more keys were not offered`;
  const tooMany = leftOut > 0 || /too many/i.test(words);
  return new FerryError(
    'auth',
    `${where} refused the login${words === '' ? '' : ` (${words})`}: ${ways}${more}${left}`,
    {
      ...cause,
      ...(wantsMore.length === 0 ? { code: refusedCode } : {}),
      hint:
        tried.length === 0
          ? 'unlock a key with ssh-add, or name one that needs no passphrase: `-i FILE`, `auth: { key: FILE }`'
          : tooMany
            ? 'servers end a login after a few wrong keys: name the right one, `auth: { key: FILE }`'
            : 'check user name and key or password; `ssh -v` to the same host shows what it accepts',
    },
  );
}
