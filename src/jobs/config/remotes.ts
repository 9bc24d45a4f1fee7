/** The remotes of jobs.yml: each one's own rules, and the jump hosts between them. */

import type { Remote } from '../../core/remote.js';
import type { Complain } from './checks.js';
import { cleanPath, localPath, type Person } from './location.js';
import { normaliseRemote } from './normalise.js';
import { checkOpenssh } from './openssh-options.js';
import type { Problems } from './problems.js';
import { unknownRemote } from './problems.js';
import type { RawRemote } from './remote-schema.js';

/** Jump hosts one behind the other, at most. */
const maxJumps = 10;

/**
 * Every remote by name, undefined for one that has errors. Those of the schema are in `problems`
 * already; what is found here is added.
 */
export function loadRemotes(
  given: ReadonlyMap<string, RawRemote>,
  person: Person,
  problems: Problems,
): Map<string, Remote | undefined> {
  const loaded = new Map<string, Remote | undefined>();
  const load = (name: string, raw: RawRemote, behind: readonly string[]): Remote | undefined => {
    if (loaded.has(name)) return loaded.get(name);
    const complain: Complain = (keys, message) =>
      problems.add({ path: ['remotes', name, ...keys], message });
    const jump = () => {
      if (raw.jump === undefined) return undefined;
      const next = given.get(raw.jump);
      if (next === undefined) {
        complain(['jump'], unknownRemote(raw.jump, given.keys()));
      } else if (raw.jump === name || behind.includes(raw.jump)) {
        complain(['jump'], 'goes round in a circle');
      } else if (behind.length >= maxJumps) {
        complain(['jump'], `is the last of more than ${maxJumps} in a row`);
      } else {
        return load(raw.jump, next, [...behind, name]);
      }
      return undefined;
    };
    let remote: Remote | undefined;
    if (!problems.under('remotes', name)) {
      checkRemote(raw, person, complain);
      const through = jump();
      const sound =
        !problems.under('remotes', name) && (raw.jump === undefined) === (through === undefined);
      if (sound) remote = { ...normaliseRemote(name, raw, person), jump: through };
    }
    loaded.set(name, remote);
    return remote;
  };
  for (const [name, raw] of given) load(name, raw, []);
  return loaded;
}

/** Rules between the keys of one remote, its jump host left out. */
function checkRemote(raw: RawRemote, person: Person, complain: Complain): void {
  const { auth, root } = raw;
  if (auth !== undefined) {
    if (auth.key === undefined && auth.password === undefined && auth.agent !== true) {
      complain(['auth'], 'names no way to log in; give one of key, agent: true and password');
    }
    if (auth.passphrase !== undefined && auth.key === undefined) {
      complain(['auth', 'passphrase'], 'is there without a key that it opens');
    }
    checkFiles('key', auth.key, person, (keys, message) => complain(['auth', ...keys], message));
  }
  checkFiles('knownHosts', raw.knownHosts, person, complain);
  if (raw.transport === 'openssh') checkOpenssh(raw, complain);
  if (root === undefined) return;
  const clean = cleanPath(root);
  if (clean === '..' || clean.startsWith('../'))
    complain(['root'], 'leaves the login folder by ".."');
  if (/^~(?:\/|$)/.test(root)) {
    complain(
      ['root'],
      'starts with "~", where a path without "/" is below the login folder anyway',
    );
  }
}

function checkFiles(
  key: string,
  value: string | readonly string[] | undefined,
  person: Person,
  complain: Complain,
): void {
  if (value === undefined) return;
  const each = typeof value === 'string' ? [value] : value;
  each.forEach((text, i) => {
    const path = localPath(text, person);
    if (!path.startsWith('/')) complain(typeof value === 'string' ? [key] : [key, i], path);
  });
}
