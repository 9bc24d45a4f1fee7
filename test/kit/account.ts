/**
 * The account that the tests' real servers run as: the tester's own or, when that is root, the
 * ordinary user that setup.ts makes, so that permissions mean something.
 */
import { execFileSync } from 'node:child_process';
import { chmodSync, lstatSync, readFileSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { dirname, resolve } from 'node:path';

/** Made by setup.ts when the tests run as root. */
export const testUser = 'ferrytest';

export interface Account {
  readonly username: string;
  readonly uid: number;
  readonly gid: number;
}

export const isRoot = process.getuid?.() === 0;

/** The tester's own account. */
export function ownAccount(): Account {
  const { username, uid, gid } = userInfo();
  return { username, uid, gid };
}

/** The account for servers: never root. */
export function serverAccount(): Account {
  if (!isRoot) return ownAccount();
  const line = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((l) => l.startsWith(`${testUser}:`));
  if (line === undefined) throw new Error(`no user ${testUser}: test/kit/setup.ts makes it`);
  const [username = '', , uid, gid] = line.split(':');
  return { username, uid: Number(uid), gid: Number(gid) };
}

/** Makes the test user where it is missing. Root only. */
export function makeTestUser(): void {
  execFileSync('useradd', [
    '--system',
    '--user-group',
    '--no-create-home',
    '--home-dir',
    '/nonexistent',
    '--shell',
    '/bin/sh',
    testUser,
  ]);
}

/** Gives a tree to an account, and lets it enter the temporary folders above. Does nothing unless root. */
export function giveTo(account: Account, path: string): void {
  if (!isRoot) return;
  execFileSync('chown', ['-hR', `${account.uid}:${account.gid}`, '--', path]);
  const top = resolve(tmpdir());
  for (let folder = dirname(resolve(path)); folder.startsWith(`${top}/`); ) {
    chmodSync(folder, (lstatSync(folder).mode & 0o7777) | 0o011);
    folder = dirname(folder);
  }
}
