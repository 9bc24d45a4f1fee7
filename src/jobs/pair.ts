/** Brings the entries of two listings together by name, and finds names that would become one. */
import { byBytes } from '../core/entry.js';

interface Named {
  readonly name: string;
}

export interface Paired<S, D> {
  /** By name bytes; either side may be missing. */
  readonly pairs: (readonly [S | undefined, D | undefined])[];
  /** Groups of different names that are equal after NFC, or after case folding on a case-insensitive side. */
  readonly collisions: string[][];
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: the whole of ASCII is meant
const ascii = /^[\x00-\x7f]*$/;

/**
 * Pairs two listings. Names are one when their bytes are. A source name and a destination name
 * that differ only in case are one on a case-insensitive side; every other pair of names that
 * would be one name collides, and takes no further part.
 */
export function pairUp<S extends Named, D extends Named>(
  source: readonly S[] = [],
  destination: readonly D[] = [],
  caseSensitive: boolean,
): Paired<S, D> {
  const key = (name: string): string => {
    const composed = ascii.test(name) ? name : name.normalize('NFC');
    return caseSensitive ? composed : composed.toLowerCase();
  };
  const places = new Map<string, { source: S[]; destination: D[] }>();
  const place = (name: string) => {
    const at = key(name);
    let found = places.get(at);
    if (found === undefined) {
      found = { source: [], destination: [] };
      places.set(at, found);
    }
    return found;
  };
  for (const entry of source) place(entry.name).source.push(entry);
  for (const entry of destination) place(entry.name).destination.push(entry);

  const pairs: [S | undefined, D | undefined][] = [];
  const collisions: string[][] = [];
  for (const { source: ours, destination: theirs } of places.values()) {
    const names = [...new Set([...ours, ...theirs].map(({ name }) => name))];
    const alone = ours.length <= 1 && theirs.length <= 1;
    const sameName = names.length === 1;
    const sameButCase =
      !caseSensitive &&
      new Set(names.map((name) => name.normalize('NFC').toLowerCase())).size === 1;
    if (alone && (sameName || sameButCase)) pairs.push([ours[0], theirs[0]]);
    else if (ours.length === 0)
      // what collides only among the destination's own entries is nobody's conflict
      for (const theirsOne of theirs) pairs.push([undefined, theirsOne]);
    else collisions.push(names.sort(byBytes));
  }
  pairs.sort(([a, b], [c, d]) => byBytes(((a ?? b) as Named).name, ((c ?? d) as Named).name));
  return { pairs, collisions };
}
