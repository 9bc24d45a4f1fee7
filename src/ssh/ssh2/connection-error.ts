/** What went wrong while connecting and logging in, in words, and which exit code it means. */
import { FerryError } from '../../core/errors.js';
import { escapeText, formatDuration } from '../../core/text.js';

export interface LogInFacts {
  /** `archive: host.example port 22`. */
  readonly where: string;
  /** The ways to log in that were tried so far. */
  readonly tried: readonly string[];
  /** Milliseconds. */
  readonly deadline: number;
}

/** ssh2's error in our words; its `level` says at which stage it happened. */
export function connectionError(
  error: (Error & { level?: string }) | undefined,
  about: LogInFacts,
): FerryError {
  const { where, tried, deadline } = about;
  const said = escapeText(error?.message ?? '');
  const cause = error === undefined ? {} : { cause: error };
  if (error?.level === 'client-authentication' || error?.level === 'agent')
    return new FerryError(
      'auth',
      `${where} refused the login: ${tried.length === 0 ? 'there was nothing to offer' : `tried ${tried.join(', ')}`}`,
      {
        ...cause,
        hint: 'check user name and key or password; `ssh -v` to the same host shows what it accepts',
      },
    );
  if (/no matching host key/i.test(said))
    return new FerryError('host-key', `${where}: no host key type in common (${said})`, {
      ...cause,
      hint: 'an old server may need `algorithms: { serverHostKey: { append: [ssh-rsa] } }`',
    });
  if (/no matching/i.test(said))
    return new FerryError('auth', `${where} offers only algorithms that are off here (${said})`, {
      ...cause,
      hint: 'update the server; `algorithms` of this remote can allow what it needs',
    });
  if (error?.level === 'client-timeout')
    return new FerryError('network', `${where} did not answer within ${formatDuration(deadline)}`, {
      ...cause,
      code: 'ETIMEDOUT',
      hint: 'run it again; check that the server answers SSH on this port',
    });
  return new FerryError('network', `${where}: connection lost${said === '' ? '' : ` (${said})`}`, {
    ...cause,
    code: 'ECONNLOST',
    hint: 'run it again; what was done stays done',
  });
}
