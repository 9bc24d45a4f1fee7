/**
 * Runs limited to folders: which folders the scan enters, and what such a run leaves to a whole one.
 * The walk itself is scan.ts.
 *
 * A requested folder means its own entries, and below it only what the destination lacks (a new
 * tree is copied whole) or what is requested itself. Nothing is deleted, no entry is replaced by
 * one of another kind, and a folder that has vanished since is no failure.
 */
import { type Entry, join, nameOf } from '../../../core/entry.js';
import { FerryError } from '../../../core/errors.js';
import type { Endpoint } from '../../../endpoints/endpoint.js';
import type { Descent, FolderPlan } from '../../../jobs/plan/folder-types.js';

/** A folder that is requested itself, or only lies on the way to one. */
export interface RequestedFolder {
  readonly itself: boolean;
  /** By name. */
  readonly below: ReadonlyMap<string, RequestedFolder>;
}

interface GrowingFolder {
  itself: boolean;
  readonly below: Map<string, GrowingFolder>;
}

/** Folders below the root (`''` is the root) as a tree. */
export function requestedFolders(folders: readonly string[]): RequestedFolder {
  const root: GrowingFolder = { itself: false, below: new Map() };
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

/** The entries of these names in a folder, each by a stat of its own: listing the folder could take long. */
export async function entriesNamed(
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

/** The part of a folder's plan that a limited run carries out: no deletions, no replacements. */
export function withoutDeletions(plan: FolderPlan): FolderPlan {
  const deleted = new Set(
    plan.actions.flatMap((action) => (action.action === 'delete' ? [action.path] : [])),
  );
  const stays = ({ path }: { readonly path: string }) => !deleted.has(path);
  return {
    ...plan,
    actions: plan.actions.filter(stays),
    missing: plan.missing.filter(stays),
    descend: plan.descend.filter((next) => next.source && stays(next)),
  };
}

/** What a limited scan requests below a folder, or undefined if it does not enter the folder. Below a new folder everything is requested. */
export function descentInto(
  parent: RequestedFolder,
  next: Descent,
): { readonly requested?: RequestedFolder } | undefined {
  const requested = parent.below.get(nameOf(next.path));
  if (parent.itself && !next.destination) return {};
  return requested === undefined ? undefined : { requested };
}

/** Whether the error means that an entry was removed or replaced after it was listed. */
export function vanished(error: unknown): boolean {
  const code = error instanceof FerryError ? error.code : undefined;
  return code === 'ENOENT' || code === 'ENOTDIR';
}
