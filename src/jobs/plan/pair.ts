/** Brings the entries of two listings together by name, and finds names that would become one. */

interface Named {
  readonly name: string;
}

/** Entries of both sides whose names are, or would become, one name at the destination. */
export interface Group<S, D> {
  readonly source: readonly S[];
  readonly destination: readonly D[];
}

/**
 * Calls `pair` for each name with what stands there on either side, and returns the groups that
 * are not that simple: several names, or one name twice in a listing. Two names are in one group
 * when they are equal after NFC or, on a case-insensitive side, after NFC and case folding.
 */
export function pairUp<S extends Named, D extends Named>(
  source: readonly S[],
  destination: readonly D[],
  caseSensitive: boolean,
  pair: (source: S | undefined, destination: D | undefined) => void,
): Group<S, D>[] {
  const key = caseSensitive ? composed : folded;
  /** Where each name stands in the destination's listing. */
  const places = new Map<string, number>();
  /** What each of the destination's entries belongs to: -1 nothing yet, then the source's place. */
  const partners = new Int32Array(destination.length).fill(-1);
  const odd = new Set<string>();
  for (let i = 0; i < destination.length; i++) {
    const at = key((destination[i] as D).name);
    if (places.size === places.set(at, i).size) odd.add(at);
  }
  const alone: number[] = [];
  for (let i = 0; i < source.length; i++) {
    const { name } = source[i] as S;
    const at = key(name);
    const place = places.get(at);
    if (place === undefined) alone.push(i);
    else if (partners[place] !== -1 || (destination[place] as D).name !== name) odd.add(at);
    else partners[place] = i;
  }
  if (alone.length > 1) {
    const seen = new Set<string>();
    for (const i of alone) {
      const at = key((source[i] as S).name);
      if (seen.size === seen.add(at).size) odd.add(at);
    }
  }
  const plain = odd.size === 0 ? () => true : (name: string) => !odd.has(key(name));
  for (let i = 0; i < destination.length; i++) {
    const theirs = destination[i] as D;
    const partner = partners[i] as number;
    if (plain(theirs.name)) pair(partner < 0 ? undefined : source[partner], theirs);
  }
  for (const i of alone) {
    const ours = source[i] as S;
    if (plain(ours.name)) pair(ours, undefined);
  }
  return odd.size === 0 ? [] : groupUp(source, destination, odd, key);
}

function groupUp<S extends Named, D extends Named>(
  source: readonly S[],
  destination: readonly D[],
  keys: ReadonlySet<string>,
  key: (name: string) => string,
): Group<S, D>[] {
  const groups = new Map<string, { source: S[]; destination: D[] }>();
  for (const at of keys) groups.set(at, { source: [], destination: [] });
  for (const ours of source) groups.get(key(ours.name))?.source.push(ours);
  for (const theirs of destination) groups.get(key(theirs.name))?.destination.push(theirs);
  return [...groups.values()];
}

/** Whether two names are the same but for case and nothing else, so that a rename makes one of the other. */
export function sameButCase(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}

/** A name as NFC. Most are ASCII, and stay what they are. */
function composed(name: string): string {
  return isAscii(name) ? name : name.normalize('NFC');
}

/** Upper case first makes one of what lower case alone keeps apart: final sigma, long s, sharp s. */
function folded(name: string): string {
  return isAscii(name)
    ? name.toLowerCase()
    : name.normalize('NFC').toUpperCase().toLowerCase().normalize('NFC');
}

function isAscii(name: string): boolean {
  for (let i = 0; i < name.length; i++) if (name.charCodeAt(i) > 0x7f) return false;
  return true;
}
