/** The account that this process runs as; it logs in where no other is named. */
import { userInfo } from 'node:os';

/** The user's name; in a container whose user has none, that of the environment or the number. */
export function userName(env: NodeJS.ProcessEnv): string {
  try {
    return userInfo().username;
  } catch {
    return env.LOGNAME || env.USER || String(process.getuid?.());
  }
}
