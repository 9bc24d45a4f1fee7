/** Pairs the entries of two listings by name, and finds names that would collide at the destination. */

interface Named {
  readonly name: string;
}

/** Entries of both sides whose names are, or would become, the same name at the destination. */
export interface Group<S, D> {
  readonly source: readonly S[];
  readonly destination: readonly D[];
}

/**
 * Calls `pair` for each name with the entries of that name on both sides, and returns the groups
 * that are not that simple: several names, or one name twice in a listing. Two names are in one
 * group if they are equal after NFC or, on a case-insensitive side, after NFC and case folding.
 */
export function pairUp<S extends Named, D extends Named>(
  source: readonly S[],
  destination: readonly D[],
  caseSensitive: boolean,
  pair: (source: S | undefined, destination: D | undefined) => void,
): Group<S, D>[] {
  const key = caseSensitive ? composed : folded;
  /** The index of each name in the destination's listing. */
  const indexes = new Map<string, number>();
  /** For each of the destination's entries the index of its partner in the source's listing, or -1. */
  const partners = new Int32Array(destination.length).fill(-1);
  const odd = new Set<string>();
  for (let i = 0; i < destination.length; i++) {
    const at = key((destination[i] as D).name);
    if (indexes.size === indexes.set(at, i).size) odd.add(at);
  }
  const alone: number[] = [];
  for (let i = 0; i < source.length; i++) {
    const { name } = source[i] as S;
    const at = key(name);
    const index = indexes.get(at);
    if (index === undefined) alone.push(i);
    else if (partners[index] !== -1 || (destination[index] as D).name !== name) odd.add(at);
    else partners[index] = i;
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

/** Whether two names differ only in case, so that a rename turns one into the other. */
export function sameButCase(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}

/** The name in NFC. ASCII names, the common case, are NFC already. */
function composed(name: string): string {
  return isAscii(name) ? name : name.normalize('NFC');
}

/** The name with its case folded. Upper case comes first: lower case alone would keep final sigma, long s and sharp s apart. */
function folded(name: string): string {
  return isAscii(name)
    ? name.toLowerCase()
    : name.normalize('NFC').toUpperCase().toLowerCase().normalize('NFC');
}

function isAscii(name: string): boolean {
  for (let i = 0; i < name.length; i++) if (name.charCodeAt(i) > 0x7f) return false;
  return true;
}
