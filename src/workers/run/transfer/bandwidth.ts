/** The bandwidth limits of a run: its job's limit is its own, a remote's and the process's are shared by all runs of the process. */

import { type Bandwidth, rateAt } from '../../../core/bandwidth.js';
import type { Job } from '../../../core/job.js';
import type { Remote } from '../../../core/remote.js';
import { zoneNamed } from '../../../core/zone.js';
import type { SessionPool } from '../../../endpoints/sftp/pool.js';
import { Throttle } from './throttle.js';

/** Resolves when this many more bytes may flow. */
type PassBytes = (bytes: number) => Promise<void>;

/** By pool, then by the remote's name; `limit` is the bandwidth as JSON, which a reload may change. */
const sharedThrottles = new WeakMap<
  SessionPool,
  Map<string, { readonly limit: string; readonly throttle: Throttle }>
>();

/** The limit of all runs of a process together, by their pool. */
const processLimits = new WeakMap<SessionPool, ProcessLimit>();

class ProcessLimit {
  /** Undefined: no limit. */
  #rateNow: (() => number | undefined) | undefined;
  readonly throttle = new Throttle(() => this.#rateNow?.());

  get isSet(): boolean {
    return this.#rateNow !== undefined;
  }

  set(bandwidth: Bandwidth | undefined): void {
    this.#rateNow = bandwidth && rateOf(bandwidth);
  }
}

/** Limits all runs on the pool together, also those in progress, from now on; undefined: no limit. */
export function limitProcess(pool: SessionPool, bandwidth: Bandwidth | undefined): void {
  processLimit(pool).set(bandwidth);
}

function processLimit(pool: SessionPool): ProcessLimit {
  const limit = processLimits.get(pool) ?? new ProcessLimit();
  processLimits.set(pool, limit);
  return limit;
}

/**
 * Returns the function a run calls before it transfers bytes, asked for anew each time: undefined
 * while there is no limit. `onWait` is called every second while it waits.
 */
export function bandwidthOf(
  { bandwidth, from, to, starts, target }: Job,
  pool: SessionPool,
  signal: AbortSignal,
  onWait: () => void,
): () => PassBytes | undefined {
  const throttles: Throttle[] = [];
  if (bandwidth !== undefined) {
    const rate = rateOf(bandwidth, starts.timezone);
    throttles.push(target === undefined ? new Throttle(rate) : throttleOfParts(bandwidth, rate));
  }
  for (const remote of new Map([from, to].map(({ remote }) => [remote?.name, remote])).values())
    if (remote?.bandwidth !== undefined) throttles.push(throttleOf(remote, remote.bandwidth, pool));
  const whole = processLimit(pool);
  const isLimited = throttles.length > 0;
  throttles.push(whole.throttle);
  const pass = async (bytes: number) => {
    for (const throttle of throttles) await throttle.pass(bytes, signal, onWait);
  };
  return () => (isLimited || whole.isSet ? pass : undefined);
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
