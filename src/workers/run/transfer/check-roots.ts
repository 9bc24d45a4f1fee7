/** Looks whether the roots of both sides are still there once a run has carried out its plan. */
import { asFerryError, endsRun, FerryError } from '../../../core/errors.js';
import { escapeText } from '../../../core/text.js';
import type { Side } from '../../../endpoints/side.js';
import type { Plan } from '../../../jobs/plan/plan.js';
import type { Tally } from '../tally.js';

/** What was carried out, and how it went. */
interface Carried {
  readonly source: Side;
  readonly destination: Side;
  readonly plan: Pick<Plan, 'mkdirs' | 'copies'>;
  readonly tally: Pick<Tally, 'failed'>;
}

/**
 * Throws if a root is no longer there: what has failed has failed because of that. A local destination is
 * looked at in any case, since its files went into the folder that was opened, wherever that is now.
 */
export async function checkRoots(
  { source, destination, tally, plan }: Carried,
  signal: AbortSignal,
): Promise<void> {
  const wrote = plan.mkdirs.length + plan.copies.length > 0;
  const isLocal = destination.reach !== undefined;
  const sides = [
    ['source', source, tally.failed > 0],
    ['destination', destination, wrote && (tally.failed > 0 || isLocal)],
  ] as const;
  for (const [role, side, asked] of sides) {
    const what = asked ? await side.lost(signal).catch(ignoreIo) : undefined;
    if (what === undefined) continue;
    const label = escapeText(side.endpoint.label);
    throw new FerryError('io', `the ${role} ${label} ${what}; it was there when the run began`, {
      hint: 'find out who moved, removed or unmounted it, then run the job again',
    });
  }
}

function ignoreIo(error: unknown): undefined {
  if (endsRun(asFerryError(error).kind)) throw error;
  return undefined;
}
