/**
 * What an interrupted replacement left aside at the destination, as `.NAME.<fingerprint>.ferryold`:
 * it is put back where nothing has its name, and otherwise deleted like any other entry. Both are
 * actions of the plan, so that a refused run does neither. What another writer set aside is left to it
 * while it may still be at work.
 */
import { hash } from 'node:crypto';
import { type Entry, join } from '../../core/entry.js';
import type { Scope } from './filter.js';
import {
  type DestinationEntry,
  type FolderPair,
  type PlanRules,
  snapshotOf,
} from './folder-types.js';
import { folded } from './pair.js';
import type { PutBack } from './plan.js';

/** A destination's listing, with what is aside in it settled. */
export interface Settled {
  /** The listing as it will be once `putBacks` are carried out; without `old`. */
  readonly destination: readonly DestinationEntry[];
  readonly putBacks: readonly PutBack[];
  /** Entries whose name has been taken by a newer one. */
  readonly old: readonly { readonly entry: DestinationEntry; readonly path: string }[];
}

/** Stands for a name that is too long to be part of another. */
export function hashedStem(name: string): string {
  return hash('sha256', name).slice(0, 32);
}

const aside = /^\.(.+)\.(?:[0-9a-f]{16}|[0-9a-f]{24})\.ferryold$/s;
const hashed = /^[0-9a-f]{32}$/;

/** Settles what is aside in a folder; undefined if nothing is. */
export function settleAside(
  pair: FolderPair,
  scope: Scope,
  rules: Pick<PlanRules, 'deletes' | 'settles'>,
): Settled | undefined {
  const { deletes, settles } = rules;
  if (settles === undefined) return undefined;
  const listed = pair.destination;
  if (!listed?.some(({ name }) => name.endsWith('.ferryold'))) return undefined;
  const names = new Set(listed.map(({ name }) => name));
  const known = [...names, ...(pair.source ?? []).map(({ name }) => name)];
  const foldsTo = new Set([...names].map(folded));
  const destination: DestinationEntry[] = [];
  const putBacks: PutBack[] = [];
  const old: { entry: DestinationEntry; path: string }[] = [];
  for (const entry of listed) {
    const name = finalName(entry.name, known);
    const path = join(pair.path, name ?? '');
    const now = { path: join(pair.at ?? pair.path, entry.name), size: entry.size };
    // a name that folds to it may be the newer one, or another file
    const unclear = name !== undefined && !names.has(name) && foldsTo.has(folded(name));
    if (name === undefined || unclear || entry.kind === 'special' || isOut(path, entry, scope))
      destination.push(entry);
    else if (!settles(now)) destination.push(entry);
    else if (!names.has(name)) {
      names.add(name);
      destination.push({ ...entry, name, aside: entry.name });
      const from = join(pair.path, entry.name);
      putBacks.push({ action: 'putBack', path, from, seen: snapshotOf(entry) });
    } else if (entry.kind !== 'folder' || deletes) old.push({ entry, path });
    else destination.push(entry);
  }
  return { destination, putBacks, old };
}

/** The name that an entry aside had; undefined for other entries, and where only the hash of an unknown name is left. */
function finalName(name: string, known: readonly string[]): string | undefined {
  const stem = aside.exec(name)?.[1];
  // ferryline never sets such a name aside
  if (stem === undefined || stem === '.' || stem === '..') return undefined;
  if (!hashed.test(stem) || known.includes(stem)) return stem;
  return known.find((it) => hashedStem(it) === stem);
}

function isOut(path: string, entry: Entry, scope: Scope): boolean {
  const isFolder = entry.kind === 'folder';
  return (
    scope.excludes(path, isFolder) !== undefined || (!isFolder && !scope.includes(path, false))
  );
}
