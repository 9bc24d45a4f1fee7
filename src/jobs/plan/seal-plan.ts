/**
 * Turns the results of plan-folder.ts into the plan that is printed, guarded and carried out. Pure: no file
 * system, no clock.
 */
import { createHash } from 'node:crypto';
import { byBytes, parentOf } from '../../core/entry.js';
import type { Operation } from '../../core/events.js';
import type { Action, Copy, Delete, Equal, Link, Mkdir, PathProblem, Plan, Skip } from './plan.js';
import { followRenames } from './renames.js';

/** What the scan gathered over all folders. */
export interface Gathered {
  readonly job: string;
  readonly operation: Operation;
  readonly from: string;
  readonly to: string;
  readonly actions: readonly Action[];
  readonly missing: ReadonlyMap<string, Mkdir>;
  /** By the path of a copy, where the destination has its bytes; absent: renames are not followed. */
  readonly twins?: ReadonlyMap<string, string>;
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
  const gone = stay.size === 0 ? all : all.filter((action) => !isKept(action));
  const isBlocked = (path: string) => {
    for (let at = path; at !== ''; at = parentOf(at)) if (blocked.has(at)) return true;
    return false;
  };
  const kept = <A extends Action>(list: A[]): A[] =>
    (blocked.size === 0 ? list : list.filter(({ path }) => !isBlocked(path))).sort(byPath);
  const { copies, deletes, renames } = followRenames(
    {
      copies: kept(
        actions.filter((a): a is Copy | Link => a.action === 'copy' || a.action === 'link'),
      ),
      deletes: kept(gone),
    },
    {
      twins: gathered.twins ?? new Map(),
      actions,
      mayDelete: conflicts.length + gathered.failures.length === 0,
    },
  );
  const mkdirs = new Map<string, Mkdir>();
  for (const action of actions) if (action.action === 'mkdir') mkdirs.set(action.path, action);
  const makeParents = ({ path }: Pick<Action, 'path'>) => {
    for (let at = parentOf(path); at !== ''; at = parentOf(at)) {
      const folder = missing.get(at);
      if (mkdirs.has(at) || folder === undefined) break;
      mkdirs.set(at, folder);
    }
  };
  copies.forEach(makeParents);
  renames.forEach(makeParents);
  [...mkdirs.values()].forEach(makeParents);
  const plan = {
    job: gathered.job,
    operation: gathered.operation,
    from: gathered.from,
    to: gathered.to,
    putBacks: actions.filter((a) => a.action === 'putBack').sort(byPath),
    mkdirs: kept([...mkdirs.values()]),
    renames: [...renames].sort(byPath),
    copies,
    attrs: kept(actions.filter((a) => a.action === 'attrs')),
    deletes: orderDeletes(deletes),
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

/** Characters hashed in one call: a call for each action would cost more than the hashing itself. */
const charactersPerUpdate = 64 * 1024;

function digestOf(plan: Omit<Plan, 'digest'>): string {
  const hash = createHash('sha256');
  let text = `${JSON.stringify([plan.job, plan.operation, plan.from, plan.to])}\n`;
  const { putBacks, mkdirs, renames, copies, attrs, deletes, conflicts } = plan;
  for (const list of [putBacks, mkdirs, renames, copies, attrs, deletes, conflicts])
    for (const action of list) {
      text += `[${JSON.stringify(action)}]\n`;
      if (text.length < charactersPerUpdate) continue;
      hash.update(text);
      text = '';
    }
  return hash.update(text).digest('hex');
}
