/** `ferryline pause JOB`: keeps runs of a job from starting until `resume`. */
import type { Context } from '../context.js';
import { daemonClient } from '../daemon-client.js';

export async function pause(job: string, context: Context): Promise<number> {
  const { output } = context;
  await (await daemonClient(context)).pause(job);
  if (output.json) output.record({ event: 'paused', time: new Date().toISOString(), job });
  else output.note(`${job}: paused; resume with \`ferryline resume ${job}\``);
  return 0;
}
