/** `ferryline rerun RUN`: has the daemon repeat a run, as a new run. */
import { awaitRuns, reportEnqueued } from '../await-runs.js';
import type { Context } from '../context.js';
import { daemonClient } from '../daemon-client.js';
import { runNamed } from '../run-name.js';
import type { EnqueueFlags } from './enqueue.js';

export async function rerun(name: string, flags: EnqueueFlags, context: Context): Promise<number> {
  const controls = await daemonClient(context);
  const run = await runNamed(name, controls);
  const request = { rerunOf: run, ...(await controls.rerun(run)) };
  reportEnqueued(request, context);
  return flags.wait === true ? awaitRuns([request], controls, context) : 0;
}
