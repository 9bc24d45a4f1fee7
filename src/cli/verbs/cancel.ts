/** `ferryline cancel RUN`: stops a run, or removes it from the queue. */
import type { Context } from '../context.js';
import { daemonClient } from '../daemon-client.js';
import { runNamed } from '../run-name.js';

const sentences = {
  waiting: 'was removed from the queue',
  active: 'stops at the next safe point',
  ended: 'had already ended',
} as const;

export async function cancel(name: string, context: Context): Promise<number> {
  const { output } = context;
  const controls = await daemonClient(context);
  const run = await runNamed(name, controls);
  const { was } = await controls.cancel(run);
  if (output.json) output.record({ event: 'cancel', time: new Date().toISOString(), run, was });
  else output.note(`run ${run} ${sentences[was]}`);
  return 0;
}
