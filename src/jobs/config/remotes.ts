/** The remotes of jobs.yml: the rules of each, and their jump hosts. */

import type { Remote } from '../../core/remote.js';
import type { ReportProblem } from './checks.js';
import { cleanPath, localPath, type UserContext } from './location.js';
import type { RemoteKeys } from './merge.js';
import { normaliseRemote } from './normalise.js';
import { checkOpenssh } from './openssh-options.js';
import type { ConfigProblems } from './problems.js';
import { unknownRemote } from './problems.js';

/** Jump hosts in one chain; a longer chain is refused. */
const maxJumps = 10;

/**
 * Every remote by name, undefined for one with errors. Errors found here are added to `problems`;
 * those of the schema are there already.
 */
export function loadRemotes(
  given: ReadonlyMap<string, RemoteKeys>,
  user: UserContext,
  problems: ConfigProblems,
): Map<string, Remote | undefined> {
  const loaded = new Map<string, Remote | undefined>();
  const load = (name: string, raw: RemoteKeys, behind: readonly string[]): Remote | undefined => {
    if (loaded.has(name)) return loaded.get(name);
    const report: ReportProblem = (keys, message) =>
      problems.add({ path: ['remotes', name, ...keys], message });
    const jump = () => {
      if (raw.jump === undefined) return undefined;
      const next = given.get(raw.jump);
      if (next === undefined) {
        report(['jump'], unknownRemote(raw.jump, given.keys()));
      } else if (raw.jump === name || behind.includes(raw.jump)) {
        report(['jump'], 'makes a circle of jump hosts; remove one of them');
      } else if (behind.length >= maxJumps) {
        report(['jump'], `makes a chain of more than ${maxJumps} jump hosts, the limit`);
      } else {
        return load(raw.jump, next, [...behind, name]);
      }
      return undefined;
    };
    let remote: Remote | undefined;
    if (!problems.under('remotes', name)) {
      checkRemote(raw, user, report);
      const through = jump();
      const valid =
        !problems.under('remotes', name) && (raw.jump === undefined) === (through === undefined);
      if (valid) remote = { ...normaliseRemote(name, raw, user), jump: through };
    }
    loaded.set(name, remote);
    return remote;
  };
  for (const [name, raw] of given) load(name, raw, []);
  return loaded;
}

/** Rules between the keys of one remote, except its jump host. */
function checkRemote(raw: RemoteKeys, user: UserContext, report: ReportProblem): void {
  const { auth, root } = raw;
  if (auth !== undefined) {
    if (auth.key === undefined && auth.password === undefined && auth.agent !== true) {
      report(['auth'], 'has no login method; add key, agent: true or password');
    }
    if (auth.passphrase !== undefined && auth.key === undefined) {
      report(['auth', 'passphrase'], 'is set without a key; add "key" or remove it');
    }
    checkFiles('key', auth.key, user, (keys, message) => report(['auth', ...keys], message));
  }
  checkFiles('knownHosts', raw.knownHosts, user, report);
  if (raw.transport === 'openssh') checkOpenssh(raw, report);
  if (root === undefined) return;
  const clean = cleanPath(root);
  if (clean === '..' || clean.startsWith('../'))
    report(['root'], 'leaves the login folder through ".."');
  if (/^~(?:\/|$)/.test(root)) {
    report(
      ['root'],
      'starts with "~"; leave it out, a path without a leading "/" is below the login folder',
    );
  }
}

/** Reports the files of a key that are not valid local paths. */
function checkFiles(
  key: string,
  value: string | readonly string[] | undefined,
  user: UserContext,
  report: ReportProblem,
): void {
  if (value === undefined) return;
  const each = typeof value === 'string' ? [value] : value;
  each.forEach((text, i) => {
    const path = localPath(text, user);
    if (!path.startsWith('/')) report(typeof value === 'string' ? [key] : [key, i], path);
  });
}
