/** `ferryline acknowledge INCIDENT`: somebody takes care of it, and nobody is reminded. */
import { FerryError } from '../../core/errors.js';
import type { IncidentView } from '../../core/incident-view.js';
import { escapeText, terminalSafe } from '../../core/text.js';
import type { Context } from '../context.js';
import { daemonClient } from '../daemon-client.js';

export async function acknowledge(name: string, context: Context): Promise<number> {
  const { output } = context;
  const client = await daemonClient(context);
  const { items } = await client.get<{ items: IncidentView[] }>('incidents?state=open&limit=500');
  const meant = items.filter((one) => one.id === name || one.job === name);
  const found = meant.length > 0 ? meant : items.filter(({ id }) => id.startsWith(name));
  const [first, ...others] = found;
  if (first === undefined || (others.length > 0 && meant.length === 0))
    throw new FerryError(
      'config',
      first === undefined
        ? `no open incident is called "${escapeText(name)}"`
        : `${found.length} incidents begin with "${escapeText(name)}"`,
      { hint: '`ferryline status` shows those that are open; a job means all of its own' },
    );
  for (const { id, cause, job, subject, message } of found) {
    const { done } = await client.send<{ done: boolean }>(`incidents/${id}/acknowledge`);
    if (output.json)
      output.record({ event: 'acknowledged', time: new Date().toISOString(), incident: id, done });
    else {
      const what = `${cause} ${job ?? subject ?? ''}: ${terminalSafe(message)}`;
      const rest = done ? 'nobody is reminded of it' : 'somebody had done so before';
      output.note(`${id} ${what}; ${rest}`);
    }
  }
  return 0;
}
