/**
 * Renames (`renames: follow`): a file that the plan would copy, while the destination has its bytes under a name
 * that the plan deletes or replaces, is renamed there. Which file is which is known by device, inode, birth time, size
 * and full mtime; size and mtime alone may be those of another file. Pure.
 */
import { parentOf, type Stat } from '../../core/entry.js';
import {
  type Action,
  asPlain,
  type Copy,
  type Delete,
  type Link,
  NewFile,
  type Rename,
  type Snapshot,
} from './plan.js';

/** What a file of the source is known by under any name; undefined where its side does not show all of it. */
export function originOf({ kind, device, inode, born, size, mtime }: Stat): string | undefined {
  const isKnown = kind === 'file' && size !== undefined && mtime !== undefined;
  // a file system without birth times says 0; numbers of inodes beyond this are not exact
  if (!isKnown || !born || device === undefined || inode === undefined) return undefined;
  if (!Number.isSafeInteger(inode)) return undefined;
  return `${device}:${inode}:${born}:${size}:${mtime}`;
}

/** What an origin says but for the device: on two of them different files may have it in common. */
export function withoutDevice(origin: string): string {
  return origin.slice(origin.indexOf(':') + 1);
}

/** What an origin ends with: `SIZE:MTIME`. */
export function sizeAndTimeOf(origin: string): string {
  return origin.split(':').slice(3).join(':');
}

/** The same of a file. */
export function sizeAndTime({ size, mtime }: Pick<Stat, 'size' | 'mtime'>): string {
  return `${size}:${mtime}`;
}

/** The file of the destination that an action deletes or replaces by another file, and that a rename may move. */
export function goingFile(action: Action): Snapshot | undefined {
  if (action.action === 'delete' && action.as === undefined) return ifFile(action.seen);
  return isPlain(action) ? ifFile(action.destination) : undefined;
}

function ifFile(seen: Snapshot | undefined): Snapshot | undefined {
  return seen?.kind === 'file' ? seen : undefined;
}

/** Whether an action may be a rename instead: the copy of a file, to a name that a file has or nothing. */
function isPlain(action: Action): action is Copy {
  return (
    action.action === 'copy' &&
    action.source.kind === 'file' &&
    action.rename === undefined &&
    (action.destination === undefined || action.destination.kind === 'file')
  );
}

/** The part of a plan that following renames changes. */
interface Changes {
  readonly copies: readonly (Copy | Link)[];
  readonly deletes: readonly Delete[];
}

export interface TwinRules {
  /** By the path of a copy, where the destination has its bytes. */
  readonly twins: ReadonlyMap<string, string>;
  /** All that the plan does. */
  readonly actions: readonly Pick<Action, 'action' | 'path'>[];
  /** Whether the run's deletions may be carried out; if not, nothing that would be deleted is moved away either. */
  readonly mayDelete: boolean;
}

/** Turns copies into renames. */
export function followRenames(
  { copies, deletes }: Changes,
  { twins, actions, mayDelete }: TwinRules,
): Changes & { readonly renames: readonly Rename[] } {
  if (twins.size === 0) return { copies, deletes, renames: [] };
  const replaced = replacedByOthers(deletes, actions);
  const files = new Map<string, { readonly seen: Snapshot; readonly stays: boolean }>();
  for (const action of mayDelete ? [...copies, ...deletes] : copies) {
    const seen = goingFile(action);
    if (seen !== undefined && !isBelow(action.path, replaced))
      files.set(action.path, { seen, stays: action.action !== 'delete' });
  }
  const moves = new Map<string, Copy>();
  for (const copy of copies) {
    const at = twins.get(copy.path);
    const there = at === undefined ? undefined : files.get(at);
    if (at === undefined || there === undefined || at === copy.path || moves.has(at)) continue;
    if (!isPlain(copy) || isBelow(copy.path, replaced)) continue;
    // a rename keeps the mode, and a file that replaces another one is to have that one's
    if (copy.destination !== undefined && copy.destination.mode !== there.seen.mode) continue;
    moves.set(at, copy);
  }
  const marked = <A extends Copy | Link | Rename>(action: A): A => {
    if (!moves.has(action.path)) return action;
    const plain = action instanceof NewFile ? asPlain(action) : action;
    return { ...(plain as A), movesOn: true };
  };
  const renames = [...moves].map(([at, { path, from, source, destination }]): Rename => {
    const { seen, stays } = files.get(at) as { seen: Snapshot; stays: boolean };
    return marked({ action: 'rename', path, at, stays, from, source, seen, destination });
  });
  const renamed = new Set(renames.map(({ path }) => path));
  return {
    copies: copies.filter(({ path }) => !renamed.has(path)).map(marked),
    deletes: deletes.filter(({ path }) => !moves.has(path)),
    renames,
  };
}

/** What the plan deletes where an entry of another kind takes its place, at its path or below it. */
function replacedByOthers(
  deletes: readonly Delete[],
  actions: TwinRules['actions'],
): ReadonlySet<string> {
  const gone = new Set(deletes.map(({ path }) => path));
  const replaced = new Set<string>();
  if (gone.size > 0)
    for (const { action, path } of actions) {
      if (action === 'delete' || action === 'putBack') continue;
      for (let at = path; at !== ''; at = parentOf(at)) if (gone.has(at)) replaced.add(at);
    }
  return replaced;
}

function isBelow(path: string, folders: ReadonlySet<string>): boolean {
  if (folders.size === 0) return false;
  for (let at = path; at !== ''; at = parentOf(at)) if (folders.has(at)) return true;
  return false;
}

/** Renames in rows: each comes after the one that has moved on the file it replaces; in a circle, all but the first. */
export function inRows<R extends Pick<Rename, 'path' | 'at'>>(renames: readonly R[]): R[][] {
  const from = new Set(renames.map(({ at }) => at));
  const to = new Map(renames.map((rename) => [rename.path, rename]));
  const done = new Set<R>();
  const rows: R[][] = [];
  const follow = (first: R) => {
    const row: R[] = [];
    for (let next: R | undefined = first; next && !done.has(next); next = to.get(next.at)) {
      row.push(next);
      done.add(next);
    }
    rows.push(row);
  };
  for (const rename of renames) if (!from.has(rename.path)) follow(rename);
  for (const rename of renames) if (!done.has(rename)) follow(rename);
  return rows;
}
