/** The bandwidth limits of a run: its job's limit is its own, a remote's is shared by all runs of the process. */

import type { Job } from '../../../core/job.js';
import type { Remote } from '../../../core/remote.js';
import type { SessionPool } from '../../../endpoints/sftp/pool.js';
import { Throttle } from './throttle.js';

/** By pool, then by the remote's name. */
const sharedThrottles = new WeakMap<SessionPool, Map<string, Throttle>>();

/**
 * Returns the function a run calls before it transfers bytes; it resolves when they may flow.
 * Undefined without a limit. `onWait` is called every second while it waits.
 */
export function bandwidthOf(
  { bandwidth, from, to }: Job,
  pool: SessionPool,
  signal: AbortSignal,
  onWait: () => void,
): ((bytes: number) => Promise<void>) | undefined {
  const throttles = bandwidth === undefined ? [] : [new Throttle(bandwidth)];
  for (const remote of new Map([from, to].map(({ remote }) => [remote?.name, remote])).values())
    if (remote?.bandwidth !== undefined) throttles.push(throttleOf(remote, remote.bandwidth, pool));
  if (throttles.length === 0) return undefined;
  return async (bytes) => {
    for (const throttle of throttles) await throttle.pass(bytes, signal, onWait);
  };
}

function throttleOf({ name }: Remote, rate: number, pool: SessionPool): Throttle {
  const all = sharedThrottles.get(pool) ?? new Map<string, Throttle>();
  sharedThrottles.set(pool, all);
  const before = all.get(name);
  if (before?.rate === rate) return before;
  const throttle = new Throttle(rate);
  all.set(name, throttle);
  return throttle;
}
