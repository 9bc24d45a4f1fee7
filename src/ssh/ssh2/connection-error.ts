/** Turns ssh2's errors while connecting and logging in into ours: a message, a hint and the kind that decides the exit code. */
import { FerryError } from '../../core/errors.js';
import { present } from '../../core/present.js';
import { escapeText, formatDuration } from '../../core/text.js';

export interface LoginFacts {
  /** `archive: host.example port 22`. */
  readonly where: string;
  /** The login methods tried so far, as messages call them; grows. */
  readonly tried: readonly string[];
  /** For an answer, in milliseconds. */
  readonly deadline: number;
}

/** Undefined means that the connection ended without an error. ssh2's `level` says at which stage one happened. */
export function connectionError(
  error: (Error & { level?: string }) | undefined,
  { where, tried, deadline }: LoginFacts,
): FerryError {
  const detail = escapeText(error?.message ?? '');
  const cause = present({ cause: error });
  if (error?.level === 'client-authentication' || error?.level === 'agent')
    return new FerryError(
      'auth',
      `${where} refused the login: ${tried.length === 0 ? 'there was no key, agent or password to try' : `tried ${tried.join(', ')}`}`,
      {
        ...cause,
        hint: 'check user name and key or password; `ssh -v` to the same host shows what it accepts',
      },
    );
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
  if (error?.level === 'client-timeout')
    return new FerryError('network', `${where} did not answer within ${formatDuration(deadline)}`, {
      ...cause,
      code: 'ETIMEDOUT',
      hint: 'run it again; check that the server answers SSH on this port',
    });
  return new FerryError(
    'network',
    `${where}: connection lost${detail === '' ? '' : ` (${detail})`}`,
    {
      ...cause,
      code: 'ECONNLOST',
      hint: 'run it again; what was done stays done',
    },
  );
}
