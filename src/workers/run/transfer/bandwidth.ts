/** The bandwidth limits of a run: its job's limit is its own, a remote's is shared by all runs of the process. */

import { type Bandwidth, rateAt } from '../../../core/bandwidth.js';
import type { Job } from '../../../core/job.js';
import type { Remote } from '../../../core/remote.js';
import { zoneNamed } from '../../../core/zone.js';
import type { SessionPool } from '../../../endpoints/sftp/pool.js';
import { Throttle } from './throttle.js';

/** By pool, then by the remote's name; `limit` is the bandwidth as JSON, which a reload may change. */
const sharedThrottles = new WeakMap<
  SessionPool,
  Map<string, { readonly limit: string; readonly throttle: Throttle }>
>();

/**
 * Returns the function a run calls before it transfers bytes; it resolves when they may flow.
 * Undefined without a limit. `onWait` is called every second while it waits.
 */
export function bandwidthOf(
  { bandwidth, from, to, starts, target }: Job,
  pool: SessionPool,
  signal: AbortSignal,
  onWait: () => void,
): ((bytes: number) => Promise<void>) | undefined {
  const throttles: Throttle[] = [];
  if (bandwidth !== undefined) {
    const rate = rateOf(bandwidth, starts.timezone);
    throttles.push(target === undefined ? new Throttle(rate) : throttleOfParts(bandwidth, rate));
  }
  for (const remote of new Map([from, to].map(({ remote }) => [remote?.name, remote])).values())
    if (remote?.bandwidth !== undefined) throttles.push(throttleOf(remote, remote.bandwidth, pool));
  if (throttles.length === 0) return undefined;
  return async (bytes) => {
    for (const throttle of throttles) await throttle.pass(bytes, signal, onWait);
  };
}

/** The parts of a job run at the same time and share its limit, which is the same object in all of them. */
const partThrottles = new WeakMap<Bandwidth, Throttle>();

function throttleOfParts(bandwidth: Bandwidth, rate: () => number | undefined): Throttle {
  const throttle = partThrottles.get(bandwidth) ?? new Throttle(rate);
  partThrottles.set(bandwidth, throttle);
  return throttle;
}

/** The rate at the moment it is asked for, by the hours of a zone; absent: the system's. */
function rateOf(bandwidth: Bandwidth, timezone?: string): () => number | undefined {
  if (bandwidth.windows.length === 0) return () => bandwidth.rate;
  const zone = zoneNamed(timezone);
  return () => rateAt(bandwidth, zone.wall(Date.now()));
}

function throttleOf({ name }: Remote, bandwidth: Bandwidth, pool: SessionPool): Throttle {
  const all = sharedThrottles.get(pool) ?? new Map();
  sharedThrottles.set(pool, all);
  const limit = JSON.stringify(bandwidth);
  const before = all.get(name);
  if (before?.limit === limit) return before.throttle;
  const throttle = new Throttle(rateOf(bandwidth));
  all.set(name, { limit, throttle });
  return throttle;
}
