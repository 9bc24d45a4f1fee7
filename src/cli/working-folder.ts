/** The working folder by the name that the user sees. */
import { statSync } from 'node:fs';
import { isAbsolute, resolve } from 'node:path';

/**
 * As `pwd -L`, from PWD (`seen`) where that is right: a link stays a link, so that
 * `/srv/current/jobs.yml` keeps its state folder when the link is switched.
 */
export function workingFolder(seen: string | undefined, real: string): string {
  if (seen === undefined || !isAbsolute(seen) || resolve(seen) !== seen) return real;
  try {
    const [one, other] = [statSync(seen), statSync(real)];
    return one.ino === other.ino && one.dev === other.dev ? seen : real;
  } catch {
    return real;
  }
}
