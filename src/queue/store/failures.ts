/** What an error of a store's client means: a refused login, a server out of reach, or neither. */
import { FerryError } from '../../core/errors.js';
import { present } from '../../core/present.js';

/** SQLSTATEs of PostgreSQL (manual, appendix A): login refused, no such database, not allowed. */
const refusedStates = new Set(['28P01', '28000', '3D000', '42501']);
/** Redis names the kind of an error first; PgBouncer and the login of PostgreSQL only have words. */
const refusedWords =
  /^(?:NOAUTH|WRONGPASS|NOPERM)\b|invalid (?:username-)?password|no such (?:user|database)|password authentication failed|^SASL/i;
/** Errors of a certificate that Node checks, and of TLS with a server that does not speak it. */
const tlsCodes =
  /^(?:ERR_TLS_|ERR_SSL_|CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_(?:GET|VERIFY)_|EPROTO$)/;
const lostCodes =
  /^(?:ECONN|EPIPE$|ETIMEDOUT$|EHOST|ENET|ENOTFOUND$|EAI_|57P0[123]$|08\w{3}$|QUEUE_AWAY$)/;
const lostWords =
  /connection is closed|connection (?:was )?(?:terminated|closed)|socket timeout|connection timeout|read timeout|timeout exceeded|not queryable|sentinels are unreachable|^CLUSTERDOWN|Cluster redirections|Failed to refresh slots cache|startup nodes|aborted due to connection/i;

/** Whether the connection failed, so that the same request may succeed on another one. */
export function isConnectionError(error: Error): boolean {
  return lostCodes.test(codeOf(error) ?? '') || lostWords.test(error.message);
}

/** The error for a store that gave this one: `auth`, `config` for a TLS that can't work, else `network`. */
export function storeFailure(error: Error): FerryError {
  if (error instanceof FerryError) return error;
  const code = codeOf(error);
  const why = reasonOf(error);
  const details = { ...present({ code }), cause: error };
  if (refusedStates.has(code ?? '') || refusedWords.test(error.message))
    return new FerryError('auth', `the queue refuses the login: ${why}`, {
      ...details,
      hint: loginHint(code, why),
    });
  if ((error as NodeJS.ErrnoException).syscall === 'open')
    return new FerryError('config', `a file that the queue's URL names can't be read: ${why}`, {
      ...details,
      hint: 'check its path in `queue` of jobs.yml, or FERRYLINE_QUEUE; it must be absolute',
    });
  if (tlsCodes.test(code ?? ''))
    return new FerryError('config', `the queue's TLS failed: ${why}`, {
      ...details,
      hint: 'name the authority of its certificate in the URL (`?cacert=FILE` for Redis, `?sslrootcert=FILE` for PostgreSQL), and check that this port speaks TLS',
    });
  return new FerryError('network', `the queue can't be reached: ${why}`, {
    ...details,
    hint: 'check `queue` in jobs.yml, or FERRYLINE_QUEUE, and that the server is running',
  });
}

/** An error with which BullMQ tries again by itself: it does so for this code only. */
export function awayError(cause: Error | undefined): Error {
  const why = cause === undefined ? 'the connection is lost' : reasonOf(cause);
  return Object.assign(new Error(why, { cause }), { code: 'ECONNREFUSED' });
}

function loginHint(code: string | undefined, why: string): string {
  if (why.startsWith('NOPERM') || code === '42501')
    return 'give this user the rights that docs/running.md lists under "Where the queue is"';
  if (code === '3D000' || /no such database/.test(why))
    return 'create the database, or correct its name in `queue` of jobs.yml, or FERRYLINE_QUEUE';
  return 'check the user and the password in `queue` of jobs.yml, or FERRYLINE_QUEUE';
}

function codeOf(error: Error): string | undefined {
  const { code } = error as { readonly code?: unknown };
  return typeof code === 'string' ? code : undefined;
}

function reasonOf(error: Error): string {
  // When several addresses fail, the error that holds theirs has no message.
  const messages = error instanceof AggregateError ? error.errors.map((one) => one.message) : [];
  return messages.length > 0 ? messages.join(', ') : error.message || codeOf(error) || 'no answer';
}
