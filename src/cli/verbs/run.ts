/** `ferryline run JOB…`: runs jobs of jobs.yml in this process. */
import { present } from '../../core/present.js';
import { readConfig } from '../config-file.js';
import type { Context } from '../context.js';
import { deletionsApproved, overridesFrom, type RunFlags } from '../flags.js';
import { runJobs } from '../run-jobs.js';
import { isSelected, selectJobs } from '../select-jobs.js';
import { lookAtState, useState } from '../state.js';
import { typeAgain } from '../typed-command.js';

export async function run(
  names: readonly string[],
  flags: RunFlags & { readonly all?: boolean },
  context: Context,
): Promise<number> {
  const overrides = overridesFrom(flags);
  const selection = { names, all: flags.all === true };
  const config = await readConfig(context, overrides, (job) => isSelected(selection, job));
  const jobs = selectJobs(config, selection, 'run');
  const dryRun = flags.dryRun === true;
  const state = dryRun ? await lookAtState(context, config) : await useState(context, config);
  const permits = flags.alone === true ? undefined : { config, state, ofConfig: true };
  const choices = {
    dryRun,
    attempts: flags.attempts ?? 1,
    bandwidth: config.bandwidth,
    deletionsApproved: deletionsApproved(overrides),
    commandWith: (job: string, flag: string) => typeAgain(['run', job], context, flag),
  };
  return runJobs(jobs, state, { ...choices, ...present({ permits }) }, context);
}
