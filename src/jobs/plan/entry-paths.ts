/** Where an entry of the folder that is planned is, on both sides. */
import { join } from '../../core/entry.js';
import type { DestinationEntry, FolderPair, SourceEntry } from './folder-types.js';

/** The source's path of an entry; where it is the entry's own one, that very string, since a plan may keep a million. */
export function sourcePath(
  pair: FolderPair,
  entry: Pick<SourceEntry, 'name' | 'from'>,
  path: string,
): string {
  return entry.from ?? (pair.from === pair.path ? path : join(pair.from, entry.name));
}

/** The path of an entry, and the source's path if that is another one. */
export function placeOf(
  pair: FolderPair,
  entry: Pick<SourceEntry, 'name' | 'from'>,
): { readonly path: string; readonly from?: string } {
  const path = join(pair.path, entry.name);
  const from = sourcePath(pair, entry, path);
  return from === path ? { path } : { path, from };
}

/** Where the destination has an entry now, if the plan gives it another path. */
export function presentPath(
  pair: FolderPair,
  { name, aside }: DestinationEntry,
): { readonly at?: string } {
  if (aside === undefined && pair.at === undefined) return {};
  return { at: join(pair.at ?? pair.path, aside ?? name) };
}
