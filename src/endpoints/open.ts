/** Opens one side of a job: finds its root, resolves it once, and finds out what is there. */
import type { Location } from '../core/job.js';
import { openLocalSide } from './open-local.js';
import { openRemoteSide } from './open-remote.js';
import type { SessionPool } from './sftp/pool.js';
import type { Side, SideRole } from './side.js';

/**
 * Opens the source or destination of a job. A missing root is no error here: the guard and the plan
 * know what it means. With `ahead`, listing begins at once: the whole tree of a local side, the root
 * of a remote one. A folder's first `list` may then be as old as this call. Errors are `config` for
 * what can't be a side, and those of the side's first calls.
 */
export function openSide(
  location: Location,
  role: SideRole,
  pool: SessionPool,
  signal: AbortSignal,
  ahead = false,
): Promise<Side> {
  const { remote } = location;
  return remote === undefined
    ? openLocalSide(location, role, ahead)
    : openRemoteSide({ location, remote, role, pool, ahead }, signal);
}
