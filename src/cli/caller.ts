/** Who calls a command, as the daemon records it: `user@host`. */
import { hostname } from 'node:os';
import { userName } from '../ssh/ssh-config/user-name.js';
import type { Environment } from './folders.js';

/** Through sudo, the user who typed it. */
export function callerName({ env }: Environment): string {
  const user = env.SUDO_USER === undefined || env.SUDO_USER === '' ? userName(env) : env.SUDO_USER;
  return `${user}@${hostname()}`;
}
