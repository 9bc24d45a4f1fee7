/** The home folder of the user who runs this. */
import { homedir } from 'node:os';

/** `/` where there is none: in a container whose user has no account, and without HOME. */
export function homeFolder(): string {
  try {
    return homedir();
  } catch {
    return '/';
  }
}
