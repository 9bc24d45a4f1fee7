/** `ferryline apply FILE`: carries out exactly the plan that `plan --out` sealed; refuses if a side has changed since. */
import { FerryError } from '../../core/errors.js';
import { present } from '../../core/present.js';
import { jobNamed, readConfig } from '../config-file.js';
import type { Context } from '../context.js';
import { deletionsApproved } from '../flags.js';
import { runJobs } from '../run-jobs.js';
import { readSealed } from '../sealed-plan.js';
import { useState } from '../state.js';
import { typeAgain } from '../typed-command.js';

export interface ApplyFlags {
  /** Carry out the plan even if the guard refused it. */
  readonly approve?: boolean;
  /** Without the queue's permits. */
  readonly alone?: boolean;
}

export async function apply(file: string, flags: ApplyFlags, context: Context): Promise<number> {
  const sealed = await readSealed(file);
  const config = await readConfig(
    { ...context, config: context.config ?? sealed.config },
    sealed.overrides,
    (job) => job === sealed.job,
  );
  const job = jobNamed(config, sealed.job);
  const approved = flags.approve === true;
  if (sealed.refused !== null && !approved)
    throw new FerryError('refused', `the guard refused this plan: ${sealed.refused}`, {
      hint: 'check the plan; `ferryline apply --approve FILE` carries it out anyway',
    });
  const { digest, overrides } = sealed;
  const state = await useState(context, config);
  const permits = flags.alone === true ? undefined : { config, state, ofConfig: true };
  const choices = {
    dryRun: false,
    attempts: 1,
    bandwidth: config.bandwidth,
    sealed: { digest, approved },
    deletionsApproved: deletionsApproved(overrides),
    commandWith: () => typeAgain(['apply', '--approve', file], context),
  };
  return runJobs([job], state, { ...choices, ...present({ permits }) }, context);
}
