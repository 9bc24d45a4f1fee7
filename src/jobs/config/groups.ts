/** The groups of jobs.yml: names for several remotes. */
import { escapeText } from '../../core/text.js';
import { type ConfigProblems, unknownRemote } from './problems.js';
import type { RawConfig } from './schema.js';
import { entriesOf, listOf } from './shapes.js';

/** The members of every group, also of one with errors, which are added to the problems. */
export function loadGroups(
  raw: RawConfig['groups'],
  remotes: ReadonlyMap<string, unknown>,
  problems: ConfigProblems,
): Map<string, readonly string[]> {
  const groups = new Map<string, readonly string[]>();
  const wrongMember = (group: string, member: string, isTwice: boolean): string | undefined => {
    if (isTwice) return `names ${member} twice`;
    if (remotes.has(member)) return undefined;
    if (member === group) return 'names the group itself; a group takes remotes';
    if (Object.hasOwn(raw ?? {}, member))
      return `names the group "${escapeText(member)}"; a group takes remotes`;
    return unknownRemote(member, remotes.keys());
  };
  for (const [name, written] of entriesOf(raw)) {
    const path = ['groups', name];
    if (problems.under(...path)) {
      groups.set(name, []);
      continue;
    }
    const members = listOf(written);
    const sound = members.filter((member, n) => {
      const message = wrongMember(name, member, members.indexOf(member) < n);
      if (message !== undefined)
        problems.add({ path: Array.isArray(written) ? [...path, n] : path, message });
      return message === undefined;
    });
    groups.set(name, sound);
    if (members.length === 0) problems.add({ path, message: 'must name at least one remote' });
    if (remotes.has(name)) {
      const message = 'is the name of a remote too; give the group another one';
      problems.add({ path, key: true, message });
    }
  }
  return groups;
}
