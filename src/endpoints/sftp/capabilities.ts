/** What a remote can do, from what its session found out about the server. */
import type { Remote } from '../../core/remote.js';
import type { Capabilities } from '../endpoint.js';
import type { SessionPool } from './pool.js';
import type { Features } from './session.js';

export function capabilitiesOf(
  pool: SessionPool,
  remote: Remote,
  features: Features,
): Capabilities {
  /** The newest session's round trip, kept when the session ends. */
  let roundTrip = Number.POSITIVE_INFINITY;
  const quirks = pool.quirks(remote);
  return {
    get atomicReplace() {
      return features.posixRename && !quirks.expects('posixRename');
    },
    replaceRefused: () => quirks.saw('posixRename'),
    get removalsLie() {
      return quirks.expects('removal');
    },
    removalLied: () => quirks.saw('removal'),
    get renamesLie() {
      return quirks.expects('rename');
    },
    renameLied: () => quirks.saw('rename'),
    mtimePrecision: 1,
    setStat: features.ordered ? 'pipelined' : 'handle',
    clockOffset: 0,
    fsync: features.fsync,
    hardLinks: features.hardLinks,
    copyData: features.copyData,
    offsetWrites: features.offsetWrites,
    maxHandles: features.limits.handles,
    maxRead: features.limits.read,
    maxWrite: features.limits.write,
    get roundTrip() {
      roundTrip = pool.live(remote)?.roundTrip ?? roundTrip;
      return roundTrip;
    },
    get requestsAtOnce() {
      return pool.depth(remote).kept;
    },
    set requestsAtOnce(limit) {
      pool.depth(remote).kept = limit;
    },
  };
}
