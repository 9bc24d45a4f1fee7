/**
 * Runs limited to folders: where the scan goes, and what it leaves to the whole run. The walk
 * itself is scan.ts.
 *
 * A folder that is asked for means its own entries, and below it only what the destination lacks
 * (a new tree is copied whole) or what is asked for itself. Nothing is ever deleted, nothing takes
 * the place of another kind of thing, and what vanished meanwhile is no failure.
 */
import { type Entry, join, nameOf } from '../../../core/entry.js';
import { FerryError } from '../../../core/errors.js';
import type { Endpoint } from '../../../endpoints/endpoint.js';
import type { Descent, FolderPlan } from '../../../jobs/plan/folder-types.js';

/** A folder that is asked for, or only on the way to one. */
export interface RequestedFolder {
  readonly itself: boolean;
  /** By name. */
  readonly below: ReadonlyMap<string, RequestedFolder>;
}

interface Growing {
  itself: boolean;
  readonly below: Map<string, Growing>;
}

/** Folders below the root (`''` is the root) as a tree. */
export function requestedFolders(folders: readonly string[]): RequestedFolder {
  const root: Growing = { itself: false, below: new Map() };
  for (const folder of folders) {
    let at = root;
    for (const name of folder.split('/')) {
      if (name === '') continue;
      let next = at.below.get(name);
      if (next === undefined) {
        next = { itself: false, below: new Map() };
        at.below.set(name, next);
      }
      at = next;
    }
    at.itself = true;
  }
  return root;
}

/** The entries of a folder on the way that lead on, found one by one: the folder may be large. */
export async function entriesOnTheWay(
  side: Endpoint,
  folder: string,
  names: Iterable<string>,
  signal: AbortSignal,
): Promise<Entry[]> {
  const found = await Promise.all(
    [...names].map(async (name) => {
      const stat = await side.stat(join(folder, name), signal);
      return stat === undefined ? [] : [{ ...stat, name }];
    }),
  );
  return found.flat();
}

/** What a limited run takes of a folder's plan. */
export function withoutDeletions(plan: FolderPlan): FolderPlan {
  const replaced = new Set(
    plan.actions.flatMap((action) => (action.action === 'delete' ? [action.path] : [])),
  );
  const stays = ({ path }: { readonly path: string }) => !replaced.has(path);
  return {
    ...plan,
    actions: plan.actions.filter(stays),
    missing: plan.missing.filter(stays),
    descend: plan.descend.filter((next) => next.source && stays(next)),
  };
}

/** Whether a limited scan enters a folder, and what is asked for below it; below a new one, all is. */
export function entered(
  asked: RequestedFolder,
  next: Descent,
): { readonly asked?: RequestedFolder } | undefined {
  const below = asked.below.get(nameOf(next.path));
  if (asked.itself && !next.destination) return {};
  return below === undefined ? undefined : { asked: below };
}

/** Whether an error of the source says that something was taken away or replaced since it was seen. */
export function vanished(error: unknown): boolean {
  const code = error instanceof FerryError ? error.code : undefined;
  return code === 'ENOENT' || code === 'ENOTDIR';
}
