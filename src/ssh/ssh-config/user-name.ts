/** Who this process runs as: the account that logs in where none is named. */
import { userInfo } from 'node:os';

/** The name of this process's user; containers run as numbers that have none. */
export function userName(env: NodeJS.ProcessEnv): string {
  try {
    return userInfo().username;
  } catch {
    return env.LOGNAME || env.USER || String(process.getuid?.());
  }
}
