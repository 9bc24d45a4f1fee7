/** `ferryline enqueue JOB…`: has the daemon run jobs. */
import { noSuchJob } from '../../server/control/controls.js';
import { awaitRuns, type EnqueuedRun, reportEnqueued } from '../await-runs.js';
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
  const controls = await daemonClient(context);
  const jobs = [...new Set(names)];
  if (jobs.length > 1) {
    // A wrong name is reported before anything is enqueued.
    const known = (await controls.status()).jobs.map(({ job }) => job);
    const wrong = jobs.find((job) => !known.includes(job));
    if (wrong !== undefined) throw noSuchJob(wrong, known);
  }
  const requests: EnqueuedRun[] = [];
  for (const job of jobs) {
    const request = { job, ...(await controls.enqueue(job)) };
    reportEnqueued(request, context);
    requests.push(request);
  }
  return flags.wait === true ? awaitRuns(requests, controls, context) : 0;
}
