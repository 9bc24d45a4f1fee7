/** The control client of the daemon that uses a command's state folder. */
import { controlClient, type DaemonClient } from '../server/control/client.js';
import type { Context } from './context.js';
import { quoted } from './other-user.js';
import { findState, mustReach } from './state.js';

/** Errors: `config` and `busy`, as for `findState`, and for a daemon of another user. */
export async function daemonClient(context: Context): Promise<DaemonClient> {
  return daemonIn(await findState(context), context);
}

/** The daemon of this state folder. Errors: `config` if it is another user's. */
export async function daemonIn(state: string, context: Context): Promise<DaemonClient> {
  await mustReach(state, context);
  return controlClient(state, startCommand(context.config));
}

/** The command that starts a daemon with the same configuration, for hints. */
function startCommand(config: string | false | undefined): string {
  return config === undefined || config === false
    ? 'ferryline start'
    : `ferryline start -c ${quoted(config)}`;
}
