/** Which remotes a run has shown to answer, or not to. Pure. */
import type { Outcome, Report } from '../core/events.js';
import { type Job, partsOf } from '../core/job.js';

/** The run ended since a server could not be used: it was not reached, or let nobody in. */
const unreachedKinds: ReadonlySet<string> = new Set([
  'network',
  'auth',
  'host-key',
  'hostile-peer',
]);
/** A run that ended so has listed both sides. */
const reachedOutcomes: ReadonlySet<Outcome> = new Set(['succeeded', 'incomplete', 'refused']);

/**
 * What an ended run says of its remotes, by name: true for one that answered. A run between two remotes
 * that failed does not say which of them it was, and one that failed for another reason says nothing.
 */
export function remotesReached(job: Job, report: Report): Map<string, boolean> {
  const found = new Map<string, boolean>();
  for (const part of partsOf(job)) {
    const end = report.targets?.find(({ target }) => target === part.target) ?? report;
    const names = [part.from.remote, part.to.remote].flatMap((remote) => remote?.name ?? []);
    if (reachedOutcomes.has(end.outcome)) for (const name of names) found.set(name, true);
    const isDown = end.outcome === 'failed' && unreachedKinds.has(end.error?.kind ?? '');
    if (isDown && names.length === 1) for (const name of names) found.set(name, false);
  }
  return found;
}
