/** `ferryline retry RUN`: has the daemon do a run again, as a new one. */

import { awaitRuns, tellEnqueued } from '../await-runs.js';
import type { Context } from '../context.js';
import { daemonClient } from '../daemon-client.js';
import type { EnqueueFlags } from './enqueue.js';

export async function retry(run: string, flags: EnqueueFlags, context: Context): Promise<number> {
  const controls = daemonClient(context);
  const asked = { retryOf: run, ...(await controls.retry(run)) };
  tellEnqueued(asked, context);
  return flags.wait === true ? awaitRuns([asked], controls, context) : 0;
}
