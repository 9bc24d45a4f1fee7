/** The shapes YAML values have: maps, lists, and keys that take one value or a list of them. */

export type PlainMap = Readonly<Record<string, unknown>>;

export function isMap(value: unknown): value is PlainMap {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The entries of a map; none when it is missing or not a map. */
export function entriesOf<T>(map: Readonly<Record<string, T>> | undefined): [string, T][] {
  return isMap(map) ? Object.entries(map) : [];
}

/** The value of a key that takes one or a list, as a list. */
export function listOf<T>(value: T | readonly T[] | undefined): readonly T[] {
  if (value === undefined) return [];
  return Array.isArray(value) ? value : [value as T];
}
