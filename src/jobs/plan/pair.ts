/** Pairs the entries of two listings by name, and finds names that a destination might take for one. */

interface Named {
  readonly name: string;
}

/** Entries of both sides whose names fold together: they are equal but for case and Unicode form. */
export interface Group<S, D> {
  /** What their names fold to. */
  readonly key: string;
  readonly source: readonly S[];
  readonly destination: readonly D[];
}

/**
 * Calls `pair` for each name with the entries of that name on both sides, and returns the groups
 * that are not that simple: several names that fold together, or one name twice in a listing. Names
 * that both sides have exactly so, and nothing else folds to, are never folded.
 */
export function pairUp<S extends Named, D extends Named>(
  source: readonly S[],
  destination: readonly D[],
  pair: (source: S | undefined, destination: D | undefined) => void,
): Group<S, D>[] {
  /** The index of each name in the destination's listing. */
  const indexes = new Map<string, number>();
  /** For each of the destination's entries the index of its partner in the source's listing, or -1. */
  const partners = new Int32Array(destination.length).fill(-1);
  const odd = new Set<string>();
  for (let i = 0; i < destination.length; i++) {
    const { name } = destination[i] as D;
    if (indexes.size === indexes.set(name, i).size) odd.add(folded(name));
  }
  const alone: number[] = [];
  let paired = 0;
  for (let i = 0; i < source.length; i++) {
    const { name } = source[i] as S;
    const index = indexes.get(name);
    if (index === undefined) alone.push(i);
    else if (partners[index] !== -1) odd.add(folded(name));
    else {
      partners[index] = i;
      paired++;
    }
  }
  if (alone.length > 0 || paired < destination.length) {
    const unpaired = alone.map((i) => (source[i] as S).name);
    const others: string[] = [];
    for (let i = 0; i < destination.length; i++)
      (partners[i] === -1 ? unpaired : others).push((destination[i] as D).name);
    addTwins(unpaired, others, odd);
  }
  const plain = odd.size === 0 ? () => true : (name: string) => !odd.has(folded(name));
  for (let i = 0; i < destination.length; i++) {
    const theirs = destination[i] as D;
    const partner = partners[i] as number;
    if (plain(theirs.name)) pair(partner < 0 ? undefined : source[partner], theirs);
  }
  for (const i of alone) {
    const ours = source[i] as S;
    if (plain(ours.name)) pair(ours, undefined);
  }
  return odd.size === 0 ? [] : groupUp(source, destination, odd);
}

/** Adds what unpaired names fold to if another name does, too. */
function addTwins(unpaired: readonly string[], others: readonly string[], odd: Set<string>): void {
  const keys = new Set<string>();
  for (const name of unpaired) {
    const key = folded(name);
    if (keys.size === keys.add(key).size) odd.add(key);
  }
  for (const name of others) {
    const key = folded(name);
    if (keys.has(key)) odd.add(key);
  }
}

function groupUp<S extends Named, D extends Named>(
  source: readonly S[],
  destination: readonly D[],
  keys: ReadonlySet<string>,
): Group<S, D>[] {
  const groups = new Map<string, { key: string; source: S[]; destination: D[] }>();
  for (const key of keys) groups.set(key, { key, source: [], destination: [] });
  for (const ours of source) groups.get(folded(ours.name))?.source.push(ours);
  for (const theirs of destination) groups.get(folded(theirs.name))?.destination.push(theirs);
  return [...groups.values()];
}

/** A group's entries by their names in NFC: as a side sees them that distinguishes case. */
export function byForm<S extends Named, D extends Named>(group: Group<S, D>): Group<S, D>[] {
  const { key, source, destination } = group;
  const names = new Set([...source, ...destination].map(({ name }) => composed(name)));
  const of = <E extends Named>(entries: readonly E[], name: string) =>
    entries.filter((entry) => composed(entry.name) === name);
  return [...names].map((name) => ({
    key,
    source: of(source, name),
    destination: of(destination, name),
  }));
}

/** Whether two names differ in Unicode form at most. */
export function sameButForm(a: string, b: string): boolean {
  return composed(a) === composed(b);
}

/** A destination's entry under the source's name where they differ in Unicode form alone, which no rename changes. */
export function respelled<E extends Named>(entry: E, name: string): E {
  return sameButForm(entry.name, name) ? { ...entry, name } : entry;
}

/** The name in NFC. ASCII names, the common case, are NFC already. */
function composed(name: string): string {
  return isAscii(name) ? name : name.normalize('NFC');
}

/** What a name is to a side that ignores case and Unicode form. Upper case comes first: lower case alone would keep final sigma, long s and sharp s apart. */
export function folded(name: string): string {
  return isAscii(name)
    ? name.toLowerCase()
    : name.normalize('NFC').toUpperCase().toLowerCase().normalize('NFC');
}

function isAscii(name: string): boolean {
  for (let i = 0; i < name.length; i++) if (name.charCodeAt(i) > 0x7f) return false;
  return true;
}
