/** `ferryline run JOB…`: runs jobs of jobs.yml in this process. */
import { FerryError } from '../../core/errors.js';
import { jobList, jobNamed, readConfig } from '../config-file.js';
import type { Context } from '../context.js';
import { overridesFrom, type RunFlags } from '../flags.js';
import { runJobs } from '../run-jobs.js';
import { lookAtState, useState } from '../state.js';

export async function run(
  names: readonly string[],
  flags: RunFlags,
  context: Context,
): Promise<number> {
  const config = await readConfig(context, overridesFrom(flags), names);
  if (names.length === 0) {
    throw new FerryError('config', 'run needs the name of a job', { hint: jobList(config) });
  }
  // A wrong name is reported before anything runs; a name given twice runs once.
  const jobs = [...new Set(names)].map((name) => jobNamed(config, name));
  const dryRun = flags.dryRun === true;
  const state = dryRun ? await lookAtState(context, config) : await useState(context, config);
  return runJobs(jobs, state, { dryRun, attempts: flags.attempts ?? 1 }, context);
}
