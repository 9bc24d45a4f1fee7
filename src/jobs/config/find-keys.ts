/** Keys of the reference by what somebody types. */
import { type ReferenceKey, reference } from './reference.js';
import { keyNameOf } from './schema-keys.js';

export interface FoundKey {
  readonly key: ReferenceKey;
  /** The keys one level below it, without those that are refused so far. */
  readonly below: readonly ReferenceKey[];
}

/**
 * The keys of a name (`jobs.delete.max`), of a path in a jobs.yml (`jobs.nightly.delete.max`), or else of
 * the end of a name (`delete.max`); none for a text that names no key.
 */
export function findKeys(wanted: string): FoundKey[] {
  const all = reference().flatMap(({ keys }) => keys);
  const names = namesOf(wanted, all);
  return all
    .filter(({ name }) => names.includes(name))
    .map((key) => ({ key, below: all.filter((other) => isBelow(other, key)) }));
}

/** The names of all keys. */
export function allKeyNames(): string[] {
  return reference().flatMap(({ keys }) => keys.map(({ name }) => name));
}

function namesOf(wanted: string, all: readonly ReferenceKey[]): string[] {
  const steps = wanted.replaceAll(/\[\d+\]/g, '').split('.');
  if (all.some(({ name }) => name === wanted)) return [wanted];
  const byPath = keyNameOf(steps);
  if (byPath?.endsWith(`.${steps.at(-1)}`)) return [byPath];
  return all.map(({ name }) => name).filter((name) => name.endsWith(`.${wanted}`));
}

/** Whether a key is one level below another. */
function isBelow({ name, planned }: ReferenceKey, above: ReferenceKey): boolean {
  const rest = name.startsWith(`${above.name}.`) ? name.slice(above.name.length + 1) : '.';
  return !planned && !rest.includes('.');
}
