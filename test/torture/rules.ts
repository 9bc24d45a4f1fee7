/** What the drawn options mean, worked out anew: no code is shared with the product. */
import type { Case } from './case.js';
import { type Found, isFile, type Word } from './disk.js';

/** Mtimes that differ by less may be equal to a server, or stored otherwise than they were sent. */
const nearSeconds = 5000;

export type Entries = ReadonlyMap<string, Found>;

export function isInScope({ options: { include, exclude } }: Case, path: string): boolean {
  const name = path.split('/').at(-1) as string;
  if (exclude.includes('*.tmp') && name.endsWith('.tmp')) return false;
  if (exclude.includes('/b') && path === 'b') return false;
  if (exclude.includes('skip/') && path.startsWith('skip/')) return false;
  return include.length === 0 || name.endsWith('.txt') || path.split('/').includes('a');
}

/** Whether the two sides have entries of different kinds in each other's way. */
export function haveConflict(drawn: Case, source: Entries, destination: Entries): boolean {
  const follows = drawn.options.symlinks === 'follow';
  const kind = (word: Word) => (isFile(word) ? 'file' : word);
  for (const [path, { word }] of source) {
    const theirs = destination.get(path)?.word;
    if (theirs === undefined) continue;
    // a link that is followed is a file or a folder
    if (kind(theirs) !== kind(word) || (follows && theirs === 'link')) return true;
  }
  return false;
}

/** Whether the server stores other mtimes than it is given, or none. */
function losesMtimes({ shape, server: { quirks } }: Case): boolean {
  const lost = ['setstatRefused', 'setstatIgnored', 'setstatNoSuchFile', 'mtimeClamped'] as const;
  return shape !== 'down' && lost.some((quirk) => quirks.includes(quirk));
}

/** Whether it may store other mtimes at all. */
export function changesMtimes(drawn: Case): boolean {
  const { quirks } = drawn.server;
  const odd = quirks.includes('mtimeHour') || quirks.includes('mtimeTwoSeconds');
  return losesMtimes(drawn) || (drawn.shape !== 'down' && odd);
}

/** Whether the destination replaces a file in one step, whatever is asked of it. */
export function replacesAtOnce({ shape, server, faults }: Case): boolean {
  if (shape === 'down') return true;
  const offered = server.isOpenSsh || server.extensions.includes('posix-rename@openssh.com');
  return offered && !server.quirks.includes('posixRenameRefused') && faults.length === 0;
}

/** Whether two different files look equal, so that no run need copy the one over the other. */
export function lookEqual(drawn: Case, ours: Found, theirs: Found): boolean {
  const { compare } = drawn.options;
  if (compare === 'checksum' || ours.word === theirs.word || ours.size !== theirs.size)
    return false;
  const ahead = ours.mtime - theirs.mtime;
  const isOlder = compare === 'auto' && ahead < 0 && losesMtimes(drawn);
  return compare === 'size' || Math.abs(ahead) < nearSeconds || isOlder;
}

/** Whether `existing` leaves the destination's file as it is. */
export function isLeft({ options: { existing } }: Case, ours: Found, theirs: Found): boolean {
  if (!isFile(theirs.word)) return false;
  return existing === 'skip' || (existing === 'newer' && theirs.mtime > ours.mtime - nearSeconds);
}
