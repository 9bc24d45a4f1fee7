/**
 * The plan: the exact list of actions that makes the destination right. Here is what it consists
 * of, and `sealPlan`, which folds what plan-folder.ts found in each folder into the plan that is
 * printed, guarded and carried out. Pure: no file system, no clock.
 *
 * Only actions and counts are kept; an unchanged entry is gone as soon as it was compared.
 */
import { createHash } from 'node:crypto';
import { byBytes, parentOf, type Stat } from '../../core/entry.js';
import type { ErrorKind } from '../../core/errors.js';
import type { Operation } from '../../core/events.js';

/** What was seen of a file, for the digest and for checking that nothing moved since. */
export interface Seen {
  readonly kind: Stat['kind'];
  readonly size: number | undefined;
  readonly mtime: number | undefined;
  readonly mode: number;
}

export interface Mkdir {
  readonly action: 'mkdir';
  readonly path: string;
  readonly mode: number;
}

export interface Copy {
  readonly action: 'copy';
  readonly path: string;
  /** Where the source's bytes are, when a followed link leads elsewhere below its root. */
  readonly from: string;
  readonly source: Seen;
  /** What it replaces. */
  readonly destination: Seen | undefined;
  /** `new`, `size`, `newer`, `older`, `content`, `in doubt` … */
  readonly reason: string;
  /** A name that differs only in case, renamed first (case-insensitive sides). */
  readonly rename?: string;
}

/** A link to be made as it is (`symlinks: preserve`). */
export interface Link {
  readonly action: 'link';
  readonly path: string;
  readonly target: string;
  readonly destination: Seen | undefined;
}

/** The same bytes under another mtime, or under a name that differs in case. */
export interface SetAttributes {
  readonly action: 'attrs';
  readonly path: string;
  readonly source: Seen;
  readonly destination: Seen;
  readonly rename?: string;
}

export interface Delete {
  readonly action: 'delete';
  readonly path: string;
  readonly seen: Seen;
}

export type Action = Mkdir | Copy | Link | SetAttributes | Delete;

/** A path that can't be done, by itself or because of what stands in its way. */
export interface Problem {
  readonly path: string;
  readonly kind: ErrorKind;
  readonly message: string;
}

/** A path passed over by policy. */
export interface Skip {
  readonly path: string;
  readonly kind: 'link' | 'special' | 'temporary';
  readonly message: string;
}

/** A file whose destination was found equal. */
export interface Equal {
  readonly path: string;
  readonly from: string;
  readonly source: Seen;
}

/** The whole plan. Lists are sorted by path bytes. */
export interface Plan {
  readonly job: string;
  readonly operation: Operation;
  readonly from: string;
  readonly to: string;
  readonly mkdirs: readonly Mkdir[];
  readonly copies: readonly (Copy | Link)[];
  readonly attrs: readonly SetAttributes[];
  /** Files and links, then folders, innermost first. */
  readonly deletes: readonly Delete[];
  readonly conflicts: readonly Problem[];
  /** Paths that can't be done: unreadable folders, names that can't be carried over. */
  readonly failures: readonly Problem[];
  readonly skips: readonly Skip[];
  /** Files found equal, where `after` is to act on them; no part of the digest. */
  readonly equal: readonly Equal[];
  readonly unchanged: number;
  /** Files in scope on either side before the run; links count where they are preserved. */
  readonly sourceFiles: number;
  readonly destinationFiles: number;
  /** Bytes the copies move. */
  readonly bytes: number;
  /** SHA-256 over job, roots and actions with what was seen of both sides, hexadecimal. */
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
  /** Destination folders that hold something that stays. */
  readonly keepers: ReadonlySet<string>;
  readonly conflicts: readonly Problem[];
  readonly failures: readonly Problem[];
  readonly skips: readonly Skip[];
  readonly equal: readonly Equal[];
  readonly unchanged: number;
  readonly sourceFiles: number;
  readonly destinationFiles: number;
}

const byPath = (a: { readonly path: string }, b: { readonly path: string }) =>
  byBytes(a.path, b.path);

/** Folds what all folders gave into the plan. */
export function sealPlan(gathered: Gathered): Plan {
  const { actions, keepers, missing } = gathered;
  const conflicts = [...gathered.conflicts];
  const blocked = new Set<string>();
  const made = new Set(actions.filter((a) => a.action !== 'delete').map((a) => a.path));
  // A folder with something in it that stays is not removed; where a file was to take its place, that is a conflict.
  const deletes = actions.filter((action): action is Delete => {
    if (action.action !== 'delete') return false;
    if (action.seen.kind !== 'folder' || !keepers.has(action.path)) return true;
    if (made.has(action.path)) {
      blocked.add(action.path);
      conflicts.push({
        path: action.path,
        kind: 'conflict',
        message: 'the folder in its way holds entries that stay',
      });
    }
    return false;
  });
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
  for (const { path } of [...copies, ...mkdirs.values()])
    for (let at = parentOf(path); at !== ''; at = parentOf(at)) {
      const folder = missing.get(at);
      if (mkdirs.has(at) || folder === undefined) break;
      mkdirs.set(at, folder);
    }
  const plan = {
    job: gathered.job,
    operation: gathered.operation,
    from: gathered.from,
    to: gathered.to,
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

/** Files first, then folders from the innermost out. */
function orderDeletes(deletes: readonly Delete[]): Delete[] {
  const folders = deletes.filter(({ seen: { kind } }) => kind === 'folder');
  return [...deletes.filter(({ seen: { kind } }) => kind !== 'folder'), ...folders.reverse()];
}

/** Characters: a call for each action would cost more than the hash itself. */
const hashedAtOnce = 64 * 1024;

function digestOf(plan: Omit<Plan, 'digest'>): string {
  const hash = createHash('sha256');
  let text = `${JSON.stringify([plan.job, plan.operation, plan.from, plan.to])}\n`;
  for (const list of [plan.mkdirs, plan.copies, plan.attrs, plan.deletes, plan.conflicts])
    for (const action of list) {
      text += `[${JSON.stringify(action)}]\n`;
      if (text.length < hashedAtOnce) continue;
      hash.update(text);
      text = '';
    }
  return hash.update(text).digest('hex');
}
