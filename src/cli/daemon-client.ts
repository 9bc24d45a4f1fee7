/** The daemon that a command talks to: the one of its state folder. */
import { controlClient } from '../server/control/client.js';
import type { Controls } from '../server/control/controls.js';
import type { Context } from './context.js';
import { stateFolder } from './folders.js';

export function daemonClient({ around, config }: Context): Controls {
  return controlClient(stateFolder(around), startCommand(config));
}

/** The command that starts a daemon with the configuration that was named. */
function startCommand(config: string | undefined): string {
  if (config === undefined) return 'ferryline start';
  const word = /^[\w./~+-]+$/.test(config) ? config : `'${config.replaceAll("'", "'\\''")}'`;
  return `ferryline start -c ${word}`;
}
