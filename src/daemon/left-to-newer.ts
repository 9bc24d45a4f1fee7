/** What only a newer version of ferryline can read is left to a process of that version. */
import type { RootLog } from '../observe/log.js';

/** Warns of it, once for each job: `what` is `run R` or `slot T`. */
export function leftToNewer(log: RootLog): (job: string, what: string) => void {
  const named = new Set<string>();
  return (job, what) => {
    if (named.has(job)) return;
    named.add(job);
    log.warn(
      `${job}: ${what} was requested by a newer version of ferryline, and is left to a process of that version`,
    );
  };
}
