/**
 * Repeats an operation whose session was lost, on the pool's next session. The reply to an earlier
 * attempt may have been lost after the server had done the work, so an operation that changes
 * something looks at the attempt's number and accepts what it then finds.
 */
import { FerryError } from '../../core/errors.js';
import { promised } from '../../core/promised.js';
import type { Remote } from '../../core/remote.js';
import type { SftpChannel } from './client/channel.js';
import type { HandleLimit } from './handle-limit.js';
import type { SessionPool } from './pool.js';
import type { Session } from './session.js';

/** After this many repetitions an operation fails with the loss of its session. */
const mostRepeats = 3;

/** One attempt, counted from 0, on the session's channel with the least to do. */
type ChannelOperation<T> = (
  channel: SftpChannel,
  handles: HandleLimit,
  attempt: number,
) => Promise<T>;

/** Runs an operation, and again each time the connection is lost, `times` at most. Its errors get `path` if they have none. */
export type Repeat = <T>(
  path: string,
  signal: AbortSignal,
  operation: ChannelOperation<T>,
  times?: number,
) => Promise<T>;

export function createRepeat(pool: SessionPool, remote: Remote): Repeat {
  const attempt = <T>(session: Session, one: Repeated<T>, number: number): Promise<T> =>
    promised(() => one.operation(session.channel(), session.handles, number)).then(
      (result) => {
        pool.worked(remote);
        return result;
      },
      (error) => {
        if (!isLost(error) || number >= one.times || one.signal.aborted)
          throw withPath(error, one.path);
        return onNewSession(one, number + 1);
      },
    );
  const onNewSession = async <T>(one: Repeated<T>, number: number): Promise<T> =>
    attempt(pool.live(remote) ?? (await pool.session(remote, one.signal)), one, number);
  return (path, signal, operation, times = mostRepeats) => {
    const one = { path, signal, operation, times };
    const session = pool.live(remote);
    return session === undefined ? onNewSession(one, 0) : attempt(session, one, 0);
  };
}

interface Repeated<T> {
  readonly path: string;
  readonly signal: AbortSignal;
  readonly operation: ChannelOperation<T>;
  readonly times: number;
}

/** Whether an error means that the session was lost. */
export function isLost(error: unknown): boolean {
  return error instanceof FerryError && error.kind === 'network';
}

/** The error with a path, if it is one of ours without one. */
export function withPath(error: unknown, path: string): unknown {
  return error instanceof FerryError && error.path === undefined ? error.at({ path }) : error;
}

/** For a removal: ignores "no such file" on a repeated attempt, since an earlier one then removed it. */
export function ignoreIfGone(attempt: number): (error: unknown) => void {
  return (error) => {
    if (!(attempt > 0 && error instanceof FerryError && error.code === 'ENOENT')) throw error;
  };
}
