/** `ferryline resume JOB`: lets runs of a paused job start again. */
import type { Context } from '../context.js';
import { daemonClient } from '../daemon-client.js';

export async function resume(job: string, context: Context): Promise<number> {
  const { output } = context;
  await (await daemonClient(context)).resume(job);
  if (output.json) output.record({ event: 'resumed', time: new Date().toISOString(), job });
  else output.note(`${job}: resumed`);
  return 0;
}
