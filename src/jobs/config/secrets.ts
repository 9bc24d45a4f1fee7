/** Which places of jobs.yml hold secrets. Hiding them in what is printed is done elsewhere, with the values given here. */

import type { Remote } from '../../core/remote.js';
import { isLiteral } from './interpolate.js';
import type { Path } from './problems.js';

/** The password inside a queue's URL. */
const inUrl = /^[^/]*:\/\/[^/@:]*:([^@]*)@/;

/** Whether a value of this place must not be repeated in a message. */
export function isSecretPlace(path: Path): boolean {
  return path[0] === 'queue' || (path[0] === 'remotes' && path[2] === 'auth');
}

/** Whether a text of the file, not filled in yet, is a secret written out. */
export function isWrittenOut(path: Path, text: string): boolean {
  if (path[0] === 'queue') return isLiteral(inUrl.exec(text)?.[1] ?? '');
  const key = path[3];
  return isSecretPlace(path) && (key === 'password' || key === 'passphrase') && isLiteral(text);
}

/** Every password and passphrase of a configuration. */
export function secretsOf(remotes: Iterable<Remote>, queue: string): string[] {
  const secrets = new Set<string>();
  for (const { auth } of remotes) {
    if (auth.password !== undefined) secrets.add(auth.password);
    if (auth.passphrase !== undefined) secrets.add(auth.passphrase);
  }
  const password = inUrl.exec(queue)?.[1] ?? '';
  if (password !== '') {
    secrets.add(password);
    try {
      secrets.add(decodeURIComponent(password));
    } catch {
      // Not percent-encoded after all: the text itself is the password.
    }
  }
  return [...secrets];
}
