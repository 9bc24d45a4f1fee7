/**
 * The plan: the exact list of actions that makes the destination right. `planFolder` compares one
 * folder's two listings, a total and deterministic function; `sealPlan` folds what all folders
 * gave into the plan that is printed, guarded and carried out. Pure: no file system, no clock.
 *
 * Only actions and counts are kept; an unchanged entry is gone as soon as it was compared.
 */
import { createHash } from 'node:crypto';
import { byBytes, type Entry, join, parentOf, type Stat } from '../core/entry.js';
import type { ErrorKind } from '../core/errors.js';
import type { Operation } from '../core/events.js';
import { type CompareRules, compareFiles, type Verdict } from './compare.js';
import type { Scope } from './filter.js';
import { pairUp } from './pair.js';

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
  /** `new`, `size`, `newer`, `older`, `content` … */
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

export interface PlanRules extends CompareRules {
  readonly operation: Operation;
  readonly symlinks: 'skip' | 'follow' | 'preserve';
  readonly caseSensitive: boolean;
  /** Whether files found equal are listed too: `after` acts on them as on those copied. */
  readonly listEqual: boolean;
}

/** A file whose destination was found equal. */
export interface Equal {
  readonly path: string;
  readonly from: string;
  readonly source: Seen;
}

/** A folder to look into next; on which sides it stands. */
export interface Descent {
  readonly path: string;
  readonly from: string;
  readonly source: boolean;
  readonly destination: boolean;
  /** The source folder's mode. */
  readonly mode: number;
}

/** Two files whose bytes must be compared. */
export interface Undecided {
  readonly path: string;
  readonly from: string;
  readonly source: Entry;
  readonly destination: Entry;
}

/** What one folder adds to the plan. */
export interface FolderPlan {
  readonly actions: Action[];
  readonly conflicts: Problem[];
  readonly failures: Problem[];
  readonly skips: Skip[];
  readonly undecided: Undecided[];
  readonly equal: Equal[];
  readonly descend: Descent[];
  /** Folders of the source that the destination lacks; made when something is to be in them. */
  readonly missing: Mkdir[];
  /** Whether the destination's folder holds something that stays, so that it stays too. */
  keeps: boolean;
  /** Files, in scope. */
  unchanged: number;
  sourceFiles: number;
  destinationFiles: number;
  compared: number;
}

/** One entry of the source as the plan sees it; a followed link carries where it leads. */
export interface SourceEntry extends Entry {
  readonly from?: string;
  /** `preserve`: where the link points, once it is known to stay inside the root. */
  readonly target?: string;
  /** Why a link is passed over. */
  readonly passed?: string;
}

export interface DestinationEntry extends Entry {
  readonly target?: string;
}

export interface FolderPair {
  readonly path: string;
  /** The folder's place at the source, another one below a followed link. */
  readonly from: string;
  /** Undefined where the side has no such folder. */
  readonly source: readonly SourceEntry[] | undefined;
  readonly destination: readonly DestinationEntry[] | undefined;
}

/** Compares one folder on both sides. */
export function planFolder(pair: FolderPair, scope: Scope, rules: PlanRules): FolderPlan {
  const plan: FolderPlan = {
    actions: [],
    conflicts: [],
    failures: [],
    skips: [],
    undecided: [],
    equal: [],
    descend: [],
    missing: [],
    keeps: false,
    unchanged: 0,
    sourceFiles: 0,
    destinationFiles: 0,
    compared: 0,
  };
  const { pairs, collisions } = pairUp(pair.source, pair.destination, rules.caseSensitive);
  for (const names of collisions) {
    for (const name of names)
      plan.conflicts.push({
        path: join(pair.path, name),
        kind: 'conflict',
        message: `its name collides with "${names.find((other) => other !== name) ?? name}": both would be one name at the destination`,
      });
    plan.keeps = true;
  }
  for (const [source, destination] of pairs)
    planEntry(plan, pair, source, destination, scope, rules);
  return plan;
}

function seen({ kind, size, mtime, mode }: Stat): Seen {
  return { kind, size, mtime, mode };
}

/** One name: what stands at the source, what at the destination. */
function planEntry(
  plan: FolderPlan,
  pair: FolderPair,
  source: SourceEntry | undefined,
  destination: DestinationEntry | undefined,
  scope: Scope,
  rules: PlanRules,
): void {
  plan.compared++;
  const name = (source ?? (destination as DestinationEntry)).name;
  const path = join(pair.path, name);
  const kind = (source ?? (destination as DestinationEntry)).kind;
  const stays = () => {
    if (destination !== undefined) plan.keeps = true;
  };

  if (scope.excludes(path, kind === 'folder') !== undefined) {
    stays();
    return;
  }
  const problem = source?.problem ?? (rules.operation === 'mirror' && destination?.problem);
  if (problem) {
    plan.failures.push({ path, kind: 'io', message: `${problem}, so it can't be carried over` });
    stays();
    return;
  }
  const isFolder = kind === 'folder';
  const included = scope.includes(path, isFolder);
  if (isFolder) {
    planFolderEntry(plan, pair, path, source, destination, included, scope, rules);
    return;
  }
  if (!included || (kind === 'file' && scope.limits((source ?? destination) as Entry))) {
    stays();
    return;
  }
  if (destination?.kind === 'file') plan.destinationFiles++;
  if (source === undefined) {
    planSurplus(plan, path, destination as DestinationEntry, rules);
    return;
  }
  if (source.kind === 'special') {
    plan.skips.push({ path, kind: 'special', message: 'a FIFO, socket or device' });
    stays();
    return;
  }
  if (source.kind === 'link' && source.target === undefined) {
    plan.skips.push({ path, kind: 'link', message: source.passed ?? 'symlinks: skip' });
    stays();
    return;
  }
  if (source.kind === 'file') plan.sourceFiles++;
  if (destination === undefined) planNew(plan, pair, path, source);
  else if (destination.kind === source.kind) planBoth(plan, pair, path, source, destination, rules);
  else planReplacement(plan, pair, path, source, destination, rules);
}

/** Where the source's bytes for an entry of this folder are. */
function placeOf(pair: FolderPair, entry: SourceEntry): string {
  return entry.from ?? join(pair.from, entry.name);
}

function planFolderEntry(
  plan: FolderPlan,
  pair: FolderPair,
  path: string,
  source: SourceEntry | undefined,
  destination: DestinationEntry | undefined,
  included: boolean,
  scope: Scope,
  rules: PlanRules,
): void {
  const mirror = rules.operation === 'mirror';
  if (source === undefined) {
    if (!mirror) {
      plan.keeps = true;
      return;
    }
    // emptied first, removed when nothing stays in it: sealPlan knows
    plan.descend.push({ path, from: path, source: false, destination: true, mode: 0 });
    if (included && destination)
      plan.actions.push({ action: 'delete', path, seen: seen(destination) });
    else plan.keeps = true;
    return;
  }
  const from = placeOf(pair, source);
  const make: Mkdir = { action: 'mkdir', path, mode: source.mode };
  if (destination === undefined || destination.kind === 'folder') {
    const exists = destination !== undefined;
    plan.descend.push({ path, from, source: true, destination: exists, mode: source.mode });
    if (exists) plan.keeps = true;
    else if (mirror && included) plan.actions.push(make);
    else plan.missing.push(make);
    return;
  }
  plan.keeps = true;
  if (!mirror || destination.kind !== 'file' || scope.limits(destination) !== undefined) {
    plan.conflicts.push({
      path,
      kind: 'conflict',
      message: `a ${destination.kind} stands where the source has a folder`,
    });
    return;
  }
  plan.destinationFiles++;
  plan.actions.push({ action: 'delete', path, seen: seen(destination) }, make);
  plan.descend.push({ path, from, source: true, destination: false, mode: source.mode });
}

/** Only the destination has it. */
function planSurplus(
  plan: FolderPlan,
  path: string,
  destination: DestinationEntry,
  rules: PlanRules,
): void {
  const ours =
    destination.kind === 'file' || (destination.kind === 'link' && rules.symlinks === 'preserve');
  if (rules.operation === 'mirror' && ours)
    plan.actions.push({ action: 'delete', path, seen: seen(destination) });
  else plan.keeps = true;
}

function planNew(plan: FolderPlan, pair: FolderPair, path: string, source: SourceEntry): void {
  if (source.kind === 'link')
    plan.actions.push({
      action: 'link',
      path,
      target: source.target as string,
      destination: undefined,
    });
  else
    plan.actions.push({
      action: 'copy',
      path,
      from: placeOf(pair, source),
      source: seen(source),
      destination: undefined,
      reason: 'new',
    });
}

/** Both sides have a file, or both a link. */
function planBoth(
  plan: FolderPlan,
  pair: FolderPair,
  path: string,
  source: SourceEntry,
  destination: DestinationEntry,
  rules: PlanRules,
): void {
  plan.keeps = true;
  const rename =
    destination.name === source.name ? {} : { rename: join(pair.path, destination.name) };
  if (source.kind === 'link') {
    if (source.target === destination.target || rules.existing === 'keep') plan.unchanged++;
    else
      plan.actions.push({
        action: 'link',
        path,
        target: source.target as string,
        destination: seen(destination),
      });
    return;
  }
  const from = placeOf(pair, source);
  const verdict = compareFiles(source, destination, rules);
  if (verdict.is === 'undecided') {
    plan.undecided.push({ path, from, source, destination });
    return;
  }
  apply(plan, { path, from, source, destination }, verdict, rules, rename);
}

/** Adds what a verdict on two files asks for. */
export function apply(
  plan: Pick<FolderPlan, 'actions' | 'equal' | 'unchanged'>,
  { path, from, source, destination }: Undecided,
  verdict: Verdict,
  rules: Pick<PlanRules, 'listEqual'>,
  rename: { rename?: string } = {},
): void {
  if (verdict.is === 'different')
    plan.actions.push({
      action: 'copy',
      path,
      from,
      source: seen(source),
      destination: seen(destination),
      reason: verdict.reason,
      ...rename,
    });
  else if (verdict.is === 'attrs' || (verdict.is === 'equal' && rename.rename !== undefined))
    plan.actions.push({
      action: 'attrs',
      path,
      source: seen(source),
      destination: seen(destination),
      ...rename,
    });
  else {
    plan.unchanged++;
    if (rules.listEqual && verdict.is === 'equal')
      plan.equal.push({ path, from, source: seen(source) });
  }
}

/** A file or link where the destination has another kind of thing. */
function planReplacement(
  plan: FolderPlan,
  pair: FolderPair,
  path: string,
  source: SourceEntry,
  destination: DestinationEntry,
  rules: PlanRules,
): void {
  plan.keeps = true;
  const gives =
    rules.operation === 'mirror' &&
    (destination.kind === 'folder' ||
      destination.kind === 'file' ||
      (destination.kind === 'link' && rules.symlinks === 'preserve'));
  if (!gives) {
    plan.conflicts.push({
      path,
      kind: 'conflict',
      message: `a ${destination.kind} stands where the source has a ${source.kind}`,
    });
    return;
  }
  plan.actions.push({ action: 'delete', path, seen: seen(destination) });
  if (destination.kind === 'folder')
    plan.descend.push({ path, from: path, source: false, destination: true, mode: 0 });
  planNew(plan, pair, path, source);
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
  /** Files in scope on either side before the run. */
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
        message: 'the folder in its way holds entries that are out of scope',
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
    equal: gathered.equal,
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

function digestOf(plan: Omit<Plan, 'digest'>): string {
  const hash = createHash('sha256');
  const put = (...fields: unknown[]) => hash.update(`${JSON.stringify(fields)}\n`);
  put(plan.job, plan.operation, plan.from, plan.to);
  for (const list of [plan.mkdirs, plan.copies, plan.attrs, plan.deletes, plan.conflicts])
    for (const action of list) put(action);
  return hash.digest('hex');
}
