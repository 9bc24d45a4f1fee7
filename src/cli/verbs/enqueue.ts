/** `ferryline enqueue JOB…`: has the daemon run jobs. */
import { awaitRuns, type EnqueuedRun, reportEnqueued } from '../await-runs.js';
import type { Context } from '../context.js';
import { daemonClient } from '../daemon-client.js';
import { daemonJobs } from '../select-jobs.js';

export interface EnqueueFlags {
  readonly wait?: boolean;
  readonly all?: boolean;
}

export async function enqueue(
  names: readonly string[],
  flags: EnqueueFlags,
  context: Context,
): Promise<number> {
  const controls = await daemonClient(context);
  const jobs = await daemonJobs(controls, { names, all: flags.all === true }, 'enqueue');
  const requests: EnqueuedRun[] = [];
  for (const job of jobs) {
    const request = { job, ...(await controls.enqueue(job)) };
    reportEnqueued(request, context);
    requests.push(request);
  }
  return flags.wait === true ? awaitRuns(requests, controls, context) : 0;
}
