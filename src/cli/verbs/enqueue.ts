/** `ferryline enqueue JOB…`: has the daemon run jobs. */

import { noSuchJob } from '../../server/control/controls.js';
import { type Asked, awaitRuns, tellEnqueued } from '../await-runs.js';
import type { Context } from '../context.js';
import { daemonClient } from '../daemon-client.js';

export interface EnqueueFlags {
  readonly wait?: boolean;
}

export async function enqueue(
  names: readonly string[],
  flags: EnqueueFlags,
  context: Context,
): Promise<number> {
  const controls = daemonClient(context);
  const jobs = [...new Set(names)];
  if (jobs.length > 1) {
    // All names are looked up before anything is asked for.
    const known = (await controls.status()).jobs.map(({ job }) => job);
    const wrong = jobs.find((job) => !known.includes(job));
    if (wrong !== undefined) throw noSuchJob(wrong, known);
  }
  const asked: Asked[] = [];
  for (const job of jobs) {
    const one = { job, ...(await controls.enqueue(job)) };
    tellEnqueued(one, context);
    asked.push(one);
  }
  return flags.wait === true ? awaitRuns(asked, controls, context) : 0;
}
