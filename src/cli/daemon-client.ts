/** The control client of the daemon that uses a command's state folder. */
import { controlClient } from '../server/control/client.js';
import type { Controls } from '../server/control/controls.js';
import type { Context } from './context.js';
import { stateFolder } from './folders.js';

export function daemonClient({ environment, config }: Context): Controls {
  return controlClient(stateFolder(environment), startCommand(config));
}

/** The command that starts a daemon with the same configuration, for hints. */
function startCommand(config: string | undefined): string {
  if (config === undefined) return 'ferryline start';
  const word = /^[\w./~+-]+$/.test(config) ? config : `'${config.replaceAll("'", "'\\''")}'`;
  return `ferryline start -c ${word}`;
}
