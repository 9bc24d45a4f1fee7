/** What is in the trash of a job's destination. */
import { walk } from '../../../core/at-once.js';
import { byBytes, isOurs, join, type Stat } from '../../../core/entry.js';
import type { Endpoint } from '../../../endpoints/endpoint.js';
import { areFolders } from './own-folders.js';
import { readTrashFolder } from './trash-names.js';

/** One file or link that a run has deleted or replaced. */
export interface Trashed {
  /** The run's id. */
  readonly run: string;
  /** When that run started, ms since the epoch. */
  readonly time: number;
  /** Its folder in the trash. */
  readonly folder: string;
  /** Where it was, relative to the destination's root. */
  readonly path: string;
  readonly stat: Stat;
}

/** Folders listed at once. */
const listingsAtOnce = 64;

/** All files and links in the trash folder `dir`: the newest first, by path within a run. */
export async function listTrash(
  side: Endpoint,
  dir: string,
  signal: AbortSignal,
): Promise<Trashed[]> {
  if (!(await areFolders(side, dir, signal))) return [];
  const found: (Trashed & { readonly n: number })[] = [];
  for (const { name, kind } of await side.list(dir, signal)) {
    const folder = readTrashFolder(name);
    if (kind !== 'folder' || folder === undefined) continue;
    const top = join(dir, name);
    await walk(
      top,
      () => listingsAtOnce,
      async (below) => {
        const folders: string[] = [];
        for (const { name: last, problem, ...stat } of await side.list(below, signal)) {
          const at = join(below, last);
          if (stat.kind === 'folder') folders.push(at);
          else if (problem === undefined && stat.kind !== 'special' && !isOurs(last))
            found.push({ ...folder, folder: name, path: at.slice(top.length + 1), stat });
        }
        return folders;
      },
    );
  }
  return found
    .sort((a, b) => byBytes(b.run, a.run) || b.n - a.n || byBytes(a.path, b.path))
    .map(({ n: _, ...entry }) => entry);
}

/** The newest version of each path; `entries` has the newest first. */
export function newestOfEach(entries: readonly Trashed[]): Trashed[] {
  const seen = new Set<string>();
  return entries.filter(({ path }) => !seen.has(path) && seen.add(path));
}
