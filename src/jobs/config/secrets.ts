/** Which paths of jobs.yml contain secrets, and their values. observe/redact.ts hides the values in what is printed. */

import type { Remote } from '../../core/remote.js';
import { isLiteral } from './interpolate.js';
import type { Path } from './problems.js';

/** The password inside a queue's URL. */
const inUrl = /^[^/]*:\/\/[^/@:]*:([^@]*)@/;

/** Whether the value of this path must not be repeated in a message. */
export function isSecretPath(path: Path): boolean {
  return path[0] === 'queue' || (path[0] === 'remotes' && path[2] === 'auth');
}

/** Whether a text of the file, before variables are filled in, is a secret written out. */
export function isWrittenOut(path: Path, text: string): boolean {
  if (path[0] === 'queue') return isLiteral(inUrl.exec(text)?.[1] ?? '');
  const key = path[3];
  return isSecretPath(path) && (key === 'password' || key === 'passphrase') && isLiteral(text);
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
      // Not percent-encoded: the text itself is the password.
    }
  }
  return [...secrets];
}
