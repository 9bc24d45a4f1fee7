/**
 * The plan: the exact list of actions that makes the destination right. This file defines its parts
 * and `sealPlan`, which turns the results of plan-folder.ts into the plan that is printed, guarded
 * and carried out. Pure: no file system, no clock.
 *
 * Only actions and counts are kept; an unchanged entry is dropped as soon as it has been compared.
 */
import { createHash } from 'node:crypto';
import { byBytes, parentOf, type Stat } from '../../core/entry.js';
import type { ErrorKind } from '../../core/errors.js';
import type { Operation } from '../../core/events.js';

/** An entry's attributes at the time of the scan, for the digest and for detecting later changes. */
export interface Snapshot {
  readonly kind: Stat['kind'];
  readonly size: number | undefined;
  readonly mtime: number | undefined;
  readonly mode: number | undefined;
}

export interface Mkdir {
  readonly action: 'mkdir';
  readonly path: string;
  /** The source folder's; undefined: as the destination's umask has it. */
  readonly mode: number | undefined;
}

export interface Copy {
  readonly action: 'copy';
  readonly path: string;
  /** The source's path; it differs from `path` behind a followed link. */
  readonly from: string;
  readonly source: Snapshot;
  /** The entry it replaces. */
  readonly destination: Snapshot | undefined;
  /** `new`, `size`, `newer`, `older`, `content`, `in doubt` … */
  readonly reason: string;
  /** The destination's current path if it differs only in case; it is renamed first (case-insensitive sides). */
  readonly rename?: string;
}

/** A link to be recreated with the same target (`symlinks: preserve`). */
export interface Link {
  readonly action: 'link';
  readonly path: string;
  readonly target: string;
  readonly destination: Snapshot | undefined;
}

/** The same bytes under another mtime, or under a name that differs in case. */
export interface SetAttributes {
  readonly action: 'attrs';
  readonly path: string;
  readonly source: Snapshot;
  readonly destination: Snapshot;
  readonly rename?: string;
}

export interface Delete {
  readonly action: 'delete';
  readonly path: string;
  /** The entry as it was scanned. The name is part of the plan's digest. */
  readonly seen: Snapshot;
  /** The path under which the trash keeps it, if it is aside. */
  readonly as?: string;
}

/** An entry that an interrupted replacement left aside gets its name back. */
export interface PutBack {
  readonly action: 'putBack';
  readonly path: string;
  /** Its present path. */
  readonly from: string;
  readonly seen: Snapshot;
}

export type Action = Mkdir | Copy | Link | SetAttributes | Delete | PutBack;

/** A path that cannot be carried out, because of the entry itself or of another one in its way. */
export interface PathProblem {
  readonly path: string;
  /** The source's path where another one is behind it: of a conflict behind a followed link. */
  readonly from?: string;
  readonly kind: ErrorKind;
  readonly message: string;
}

/** A path skipped by policy. */
export interface Skip {
  readonly path: string;
  readonly kind: 'link' | 'special' | 'temporary';
  readonly message: string;
}

/** A file whose destination was found equal. */
export interface Equal {
  readonly path: string;
  readonly from: string;
  readonly source: Snapshot;
  /** When the reading of its bytes began, ms since the epoch; absent: they were not compared, so nothing is proven. */
  readonly readAt?: number;
}

/** The whole plan. Lists are sorted by path bytes. */
export interface Plan {
  readonly job: string;
  readonly operation: Operation;
  readonly from: string;
  readonly to: string;
  /** Carried out before everything else. */
  readonly putBacks: readonly PutBack[];
  readonly mkdirs: readonly Mkdir[];
  readonly copies: readonly (Copy | Link)[];
  readonly attrs: readonly SetAttributes[];
  /** Files and links, then folders, innermost first. */
  readonly deletes: readonly Delete[];
  readonly conflicts: readonly PathProblem[];
  /** Paths that cannot be carried out: unreadable folders, names that cannot be transferred. */
  readonly failures: readonly PathProblem[];
  readonly skips: readonly Skip[];
  /** Equal files, listed only if `after` has to handle them; not part of the digest. */
  readonly equal: readonly Equal[];
  readonly unchanged: number;
  /** Files in scope on each side before the run; links count if they are preserved. */
  readonly sourceFiles: number;
  readonly destinationFiles: number;
  /** Bytes the copies transfer. */
  readonly bytes: number;
  /** SHA-256 over job, roots and actions with the snapshots of both sides, hexadecimal. */
  readonly digest: string;
}

/** What the scan gathered over all folders. */
export interface Gathered {
  readonly job: string;
  readonly operation: Operation;
  readonly from: string;
  readonly to: string;
  readonly actions: readonly Action[];
  readonly missing: ReadonlyMap<string, Mkdir>;
  /** Destination folders that hold something that is kept. */
  readonly keepers: ReadonlySet<string>;
  readonly conflicts: readonly PathProblem[];
  readonly failures: readonly PathProblem[];
  readonly skips: readonly Skip[];
  readonly equal: readonly Equal[];
  readonly unchanged: number;
  readonly sourceFiles: number;
  readonly destinationFiles: number;
}

const byPath = (a: { readonly path: string }, b: { readonly path: string }) =>
  byBytes(a.path, b.path);

/** Makes the plan from the results of all folders. */
export function sealPlan(gathered: Gathered): Plan {
  const { actions, keepers, missing } = gathered;
  const conflicts = [...gathered.conflicts];
  // a folder that holds something that is kept is not removed; if a file was to replace it, that is a conflict
  const isKept = (action: Delete) => action.seen.kind === 'folder' && keepers.has(action.path);
  const all = actions.filter((action) => action.action === 'delete');
  const stay = new Set(all.filter(isKept).map(({ path }) => path));
  const blocked = new Set<string>();
  if (stay.size > 0)
    for (const { action, path } of actions)
      if (action !== 'delete' && action !== 'putBack' && stay.has(path)) blocked.add(path);
  for (const path of blocked)
    conflicts.push({
      path,
      kind: 'conflict',
      message: 'the folder in its place holds entries that are kept',
    });
  const deletes = stay.size === 0 ? all : all.filter((action) => !isKept(action));
  const isBlocked = (path: string) => {
    for (let at = path; at !== ''; at = parentOf(at)) if (blocked.has(at)) return true;
    return false;
  };
  const kept = <A extends Action>(list: A[]): A[] =>
    (blocked.size === 0 ? list : list.filter(({ path }) => !isBlocked(path))).sort(byPath);
  const copies = kept(
    actions.filter((a): a is Copy | Link => a.action === 'copy' || a.action === 'link'),
  );
  const mkdirs = new Map<string, Mkdir>();
  for (const action of actions) if (action.action === 'mkdir') mkdirs.set(action.path, action);
  const makeParents = ({ path }: Action) => {
    for (let at = parentOf(path); at !== ''; at = parentOf(at)) {
      const folder = missing.get(at);
      if (mkdirs.has(at) || folder === undefined) break;
      mkdirs.set(at, folder);
    }
  };
  copies.forEach(makeParents);
  [...mkdirs.values()].forEach(makeParents);
  const plan = {
    job: gathered.job,
    operation: gathered.operation,
    from: gathered.from,
    to: gathered.to,
    putBacks: actions.filter((a) => a.action === 'putBack').sort(byPath),
    mkdirs: kept([...mkdirs.values()]),
    copies,
    attrs: kept(actions.filter((a) => a.action === 'attrs')),
    deletes: orderDeletes(kept(deletes)),
    conflicts: conflicts.sort(byPath),
    failures: [...gathered.failures].sort(byPath),
    skips: [...gathered.skips].sort(byPath),
    equal: [...gathered.equal].sort(byPath),
    unchanged: gathered.unchanged,
    sourceFiles: gathered.sourceFiles,
    destinationFiles: gathered.destinationFiles,
    bytes: copies.reduce((sum, c) => sum + (c.action === 'copy' ? (c.source.size ?? 0) : 0), 0),
  };
  return { ...plan, digest: digestOf(plan) };
}

/** The files that exist on both sides and would be copied, and how many of them have the same size and only another mtime. */
export function differingFiles({ copies }: Pick<Plan, 'copies'>): {
  readonly all: number;
  readonly inTimeAlone: number;
} {
  let all = 0;
  let inTimeAlone = 0;
  for (const copy of copies) {
    if (copy.action !== 'copy' || copy.destination === undefined) continue;
    all++;
    const { reason } = copy;
    if (reason === 'newer' || reason === 'older') inTimeAlone++;
  }
  return { all, inTimeAlone };
}

/** Files first, then folders from the innermost out. */
function orderDeletes(deletes: readonly Delete[]): Delete[] {
  const folders = deletes.filter(({ seen: { kind } }) => kind === 'folder');
  return [...deletes.filter(({ seen: { kind } }) => kind !== 'folder'), ...folders.reverse()];
}

/** Characters hashed in one call: a call for each action would cost more than the hashing itself. */
const charactersPerUpdate = 64 * 1024;

function digestOf(plan: Omit<Plan, 'digest'>): string {
  const hash = createHash('sha256');
  let text = `${JSON.stringify([plan.job, plan.operation, plan.from, plan.to])}\n`;
  const { putBacks, mkdirs, copies, attrs, deletes, conflicts } = plan;
  for (const list of [putBacks, mkdirs, copies, attrs, deletes, conflicts])
    for (const action of list) {
      text += `[${JSON.stringify(action)}]\n`;
      if (text.length < charactersPerUpdate) continue;
      hash.update(text);
      text = '';
    }
  return hash.update(text).digest('hex');
}
