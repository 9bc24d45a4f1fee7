/** `ferryline apply FILE`: carries out exactly the plan that `plan --out` sealed, or refuses because a side has drifted. */
import { FerryError } from '../../core/errors.js';
import { jobNamed, readConfig } from '../config-file.js';
import type { Context } from '../context.js';
import { runJobs } from '../run-jobs.js';
import { readSealed } from '../sealed-plan.js';

export interface ApplyFlags {
  /** The operator's yes to a plan that the guard refuses. */
  readonly approve?: boolean;
}

export async function apply(file: string, flags: ApplyFlags, context: Context): Promise<number> {
  const sealed = await readSealed(file);
  const config = await readConfig(
    { ...context, config: context.config ?? sealed.config },
    sealed.overrides,
    [sealed.job],
  );
  const job = jobNamed(config, sealed.job);
  const approved = flags.approve === true;
  if (sealed.refused !== null && !approved)
    throw new FerryError('refused', `the guard refused this plan: ${sealed.refused}`, {
      hint: 'look at it; `ferryline apply --approve FILE` carries it out all the same',
    });
  const { digest } = sealed;
  return runJobs([job], { dryRun: false, retries: 0, sealed: { digest, approved } }, context);
}
