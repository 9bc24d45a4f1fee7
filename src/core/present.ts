/** Optional properties: `exactOptionalPropertyTypes` has them left out rather than undefined. */

type Optional<T> = { [K in keyof T]: undefined extends T[K] ? K : never }[keyof T];

/** `T` with every property that may be undefined made optional. */
export type Present<T> = Omit<T, Optional<T>> & {
  [K in Optional<T>]?: Exclude<T[K], undefined>;
};

/** The object without the keys whose value is undefined. */
export function present<T extends object>(given: T): Present<T> {
  const kept = Object.entries(given).filter(([, value]) => value !== undefined);
  return Object.fromEntries(kept) as Present<T>;
}
