/**
 * Plans one folder: compares its two listings name by name. A total and deterministic function of
 * its arguments; its input and output are described in folder-types.ts, the whole plan in plan.ts.
 *
 * Most entries of most runs are equal, so their path is short and leaves nothing but a count.
 */
import { byBytes, type Entry, isOurs, join } from '../../core/entry.js';
import { applyComparison } from './apply-comparison.js';
import { settleAside } from './aside.js';
import { compareFiles, mayReplace } from './compare.js';
import { placeOf, presentPath, sourcePath } from './entry-paths.js';
import type { Scope } from './filter.js';
import {
  type Descent,
  type DestinationEntry,
  type FolderPair,
  type FolderPlan,
  knownOf,
  type PlanRules,
  type SourceEntry,
  snapshotOf,
  type Undecided,
} from './folder-types.js';
import { byForm, type Group, pairUp, respelled, sameButForm } from './pair.js';
import { type Mkdir, NewFile } from './plan.js';

/** The folder being planned: its listings, the rules, and the plan so far. */
interface Folder {
  readonly plan: FolderPlan;
  readonly pair: FolderPair;
  readonly scope: Scope;
  readonly rules: PlanRules;
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
    twins: [],
    keeps: false,
    unchanged: 0,
    sourceFiles: 0,
    destinationFiles: 0,
    compared: 0,
  };
  const folder: Folder = { plan, pair, scope, rules };
  const settled = settleAside(pair, scope, rules);
  for (const putBack of settled?.putBacks ?? []) plan.actions.push(putBack);
  for (const { entry, path } of settled?.old ?? []) planOld(folder, entry, path);
  const groups = pairUp(
    pair.source ?? [],
    settled?.destination ?? pair.destination ?? [],
    (source, destination) => planEntry(folder, source, destination),
  );
  for (const group of groups) planGroup(folder, group);
  return plan;
}

type Twin = Group<SourceEntry, DestinationEntry>;

/** Plans names that fold together: a change of case, two files that are two to the destination, an entry listed twice, or a collision. */
function planGroup(folder: Folder, group: Twin): void {
  if (group.source.length === 0) {
    // the destination's own entries may fold together
    for (const name of namesOf(group.destination)) {
      const [entry, again] = group.destination.filter((it) => it.name === name);
      if (again === undefined) planEntry(folder, undefined, entry);
      else listedTwice(folder, again);
    }
    return;
  }
  const kinds = byForm(group);
  // a destination that lists two of them has shown that it distinguishes case
  const listed = kinds.filter(({ destination }) => destination.length > 0).length;
  const ours = group.source.filter((entry) => !isOut(folder, entry, entry));
  const matters = kinds.length > 1 && (listed > 0 || ours.length > 1);
  if (matters && (listed > 1 || sameName(folder, group) === 'apart'))
    for (const kind of kinds) planTwins(folder, kind);
  else planTwins(folder, group);
}

/** What is known of a group; asks for it to be found out if nothing is. */
function sameName({ plan, pair }: Folder, { key, source, destination }: Twin) {
  const known = pair.sameNames?.(key);
  if (known === undefined && plan.twins.at(-1)?.key !== key)
    plan.twins.push({ key, source: namesOf(source), destination: destination[0] });
  return known;
}

/** Plans names that may be one name to the destination. */
function planTwins(folder: Folder, group: Twin): void {
  const { plan } = folder;
  const { source, destination } = group;
  if (source.length === 0) {
    planGroup(folder, group);
    return;
  }
  if (destination.length > 0) plan.keeps = true;
  const ours = source.filter((entry) => !isOut(folder, entry, entry));
  const [first] = ours;
  if (first === undefined) return;
  const [other] = destination;
  const isSingle = ours.length === 1 && destination.length <= 1;
  if (isSingle && (other === undefined || other.name === first.name)) {
    planEntry(folder, first, other);
    return;
  }
  // the name that the destination lists may be that of another entry of the source, which is out of scope
  const mayBeIt =
    isSingle && !source.some((it) => it !== first && sameButForm(it.name, other?.name ?? ''));
  if (mayBeIt && other !== undefined && sameName(folder, group) === 'one')
    planEntry(folder, first, respelled(other, first.name));
  else collide(folder, group, ours);
}

/** Plans nothing for names that collide. */
function collide(folder: Folder, group: Twin, ours: readonly SourceEntry[]): void {
  const { plan, rules } = folder;
  plan.sourceFiles += ours.filter((entry) => isCarried(entry, rules)).length;
  const names = namesOf([...ours, ...group.destination]);
  if (names.length === 1) {
    listedTwice(folder, ours[0] as SourceEntry);
    return;
  }
  plan.compared += names.length;
  const why =
    sameName(folder, group) === undefined
      ? 'they may be one name to the destination, which only a run that can write there finds out'
      : 'both would have the same name at the destination';
  for (const name of names)
    plan.conflicts.push({
      ...placeOf(folder.pair, ours.find((entry) => entry.name === name) ?? { name }),
      kind: 'conflict',
      message: `its name collides with "${names.find((it) => it !== name)}": ${why}`,
    });
}

function namesOf(entries: readonly Entry[]): string[] {
  return [...new Set(entries.map(({ name }) => name))].sort(byBytes);
}

/** A folder that lists a name twice changed while it was read, so its listing proves nothing about that name. */
function listedTwice(folder: Folder, entry: Entry): void {
  const { plan, pair } = folder;
  plan.compared++;
  plan.keeps = true;
  if (isOut(folder, entry, undefined)) return;
  plan.failures.push({
    path: join(pair.path, entry.name),
    kind: 'io',
    message: 'its folder lists it twice, so the folder changed while it was read',
  });
}

/** Whether an entry is out of scope; `measured` has the size and age that count. `include` is not asked about folders, which may hold files it matches. */
function isOut({ pair, scope }: Folder, entry: Entry, measured: Entry | undefined): boolean {
  const path = join(pair.path, entry.name);
  const isFolder = entry.kind === 'folder';
  return (
    scope.excludes(path, isFolder) !== undefined ||
    (!isFolder && !scope.includes(path, false)) ||
    (measured?.kind === 'file' && scope.limits(measured) !== undefined)
  );
}

/** Plans one name, given the entries of that name on both sides. */
function planEntry(
  folder: Folder,
  source: SourceEntry | undefined,
  destination: DestinationEntry | undefined,
): void {
  const { plan, pair, scope, rules } = folder;
  plan.compared++;
  if (destination !== undefined && source !== undefined) plan.keeps = true;
  const entry = source ?? (destination as DestinationEntry);
  const { name, kind } = entry;
  const path = join(pair.path, name);
  const isFolder = kind === 'folder';
  if (scope.excludes(path, isFolder, name) !== undefined) {
    if (destination !== undefined && !willGo(folder, destination)) plan.keeps = true;
    if (source !== undefined && isOurs(name))
      plan.skips.push({ path, kind: 'temporary', message: 'a temporary file of ferryline' });
    return;
  }
  const problem = entry.problem ?? (source === undefined ? undefined : destination?.problem);
  if (problem !== undefined && (source !== undefined || rules.operation === 'mirror')) {
    plan.failures.push({ path, kind: 'io', message: `${problem}, so it can't be copied` });
    if (destination !== undefined) plan.keeps = true;
    return;
  }
  const included = scope.includes(path, isFolder);
  if (!isFolder && (!included || (kind === 'file' && scope.limits(entry) !== undefined))) {
    if (destination !== undefined) plan.keeps = true;
    return;
  }
  if (source === undefined) {
    planSurplus(folder, path, destination as DestinationEntry, included);
    return;
  }
  if (kind === 'special') {
    plan.skips.push({ path, kind: 'special', message: 'a FIFO, socket or device' });
    return;
  }
  if (kind === 'link' && source.target === undefined) {
    plan.skips.push({ path, kind: 'link', message: source.skipReason ?? 'symlinks: skip' });
    return;
  }
  if (!isFolder) plan.sourceFiles++;
  if (destination === undefined) planNew(folder, path, source, included);
  else if (
    destination.kind === kind &&
    (destination.name === name || !isOut(folder, destination, undefined))
  )
    planBoth(folder, path, source, destination);
  else planReplacement(folder, path, source, destination, included);
}

/** Whether an excluded entry is a temporary file that the run removes. */
function willGo({ pair, rules }: Folder, { name, kind, size }: DestinationEntry): boolean {
  if (kind === 'folder' || !name.endsWith('.ferrypart') || !isOurs(name)) return false;
  return rules.settles?.({ path: join(pair.at ?? pair.path, name), size }) === true;
}

/** Plans the deletion of what a replacement left aside at a path that something newer has. */
function planOld({ plan, pair }: Folder, entry: DestinationEntry, as: string): void {
  const path = join(pair.at ?? pair.path, entry.name);
  if (entry.kind === 'folder') plan.descend.push({ ...emptied(as), at: path, isAside: true });
  else plan.destinationFiles++;
  plan.actions.push({ action: 'delete', path, as, seen: snapshotOf(entry) });
}

/** Plans an entry that only the destination has. */
function planSurplus(
  folder: Folder,
  path: string,
  destination: DestinationEntry,
  included: boolean,
): void {
  const { plan, pair, rules } = folder;
  const isAside = pair.isAside === true;
  const present = presentPath(folder.pair, destination);
  const counts = isCarried(destination, rules);
  if (counts) plan.destinationFiles++;
  if (!rules.deletes) {
    plan.keeps = true;
    return;
  }
  const isFolder = destination.kind === 'folder';
  // its contents go first; sealPlan keeps the folder if something stays in it
  if (isFolder)
    plan.descend.push({ ...emptied(path), ...present, ...(isAside ? { isAside } : {}) });
  const seen = snapshotOf(destination);
  if (counts || (isFolder && included))
    plan.actions.push(
      isAside && present.at !== undefined
        ? { action: 'delete', path: present.at, as: path, seen }
        : { action: 'delete', path, seen },
    );
  else plan.keeps = true;
}

/** A folder that only the destination has, entered to find what to delete. */
function emptied(path: string): Descent {
  return { path, from: path, source: false, destination: true, mode: 0 };
}

/** Whether a run copies this kind of entry, so that a mirror may delete the destination's. */
function isCarried({ kind }: Entry, { symlinks }: PlanRules): boolean {
  return kind === 'file' || (kind === 'link' && symlinks === 'preserve');
}

/** Plans an entry that the destination lacks. */
function planNew(folder: Folder, path: string, source: SourceEntry, included: boolean): void {
  const { plan, pair, rules } = folder;
  const from = sourcePath(pair, source, path);
  if (source.kind === 'folder') {
    const make: Mkdir = { action: 'mkdir', path, mode: source.mode };
    if (rules.operation === 'mirror' && included) plan.actions.push(make);
    else plan.missing.push(make);
    plan.descend.push({ path, from, source: true, destination: false, mode: source.mode });
  } else if (source.kind === 'link') {
    const target = source.target as string;
    plan.actions.push({ action: 'link', path, target, destination: undefined });
  } else if (from === path) plan.actions.push(new NewFile(path, source));
  else
    plan.actions.push({
      action: 'copy',
      path,
      from,
      source: snapshotOf(source),
      destination: undefined,
      reason: 'new',
    });
}

/** Plans an entry of the same kind on both sides. */
function planBoth(
  folder: Folder,
  path: string,
  source: SourceEntry,
  destination: DestinationEntry,
): void {
  const { plan, pair, rules } = folder;
  if (source.kind === 'folder') {
    const from = sourcePath(pair, source, path);
    const present = presentPath(folder.pair, destination);
    plan.descend.push({
      ...{ path, from, source: true, destination: true, mode: source.mode },
      ...present,
    });
    return;
  }
  plan.destinationFiles++;
  if (source.kind === 'link') {
    planLinks(folder, path, source, destination);
    return;
  }
  const result = compareFiles(source, destination, rules, knownOf(path, rules));
  const sameName = source.name === destination.name;
  if (sameName && !rules.listEqual && (result.is === 'equal' || result.is === 'kept')) {
    plan.unchanged++;
    return;
  }
  const both: Undecided = {
    path,
    from: sourcePath(pair, source, path),
    source,
    destination,
    ...(sameName ? {} : { rename: join(pair.path, destination.name) }),
    ...presentPath(folder.pair, destination),
  };
  // `after` acts only on what is proven: size and mtime alone may be those of another file
  if (result.is === 'undecided' || (result.is === 'equal' && rules.listEqual))
    plan.undecided.push(both);
  else applyComparison(plan, both, result, rules);
}

function planLinks(
  { plan, pair, rules }: Folder,
  path: string,
  source: SourceEntry,
  destination: DestinationEntry,
): void {
  const target = source.target as string;
  const was = snapshotOf(destination);
  if (target !== destination.target && mayReplace(source, destination, rules))
    plan.actions.push({ action: 'link', path, target, destination: was });
  else if (target === destination.target && source.name !== destination.name)
    plan.actions.push({
      action: 'attrs',
      path,
      source: { ...snapshotOf(source), mtime: undefined }, // a link's own mtime is not copied
      destination: was,
      rename: join(pair.path, destination.name),
    });
  else plan.unchanged++;
}

/** Plans an entry where the destination has one of another kind, or one whose name is out of scope. */
function planReplacement(
  folder: Folder,
  path: string,
  source: SourceEntry,
  destination: DestinationEntry,
  included: boolean,
): void {
  const { plan, rules } = folder;
  const isFolder = destination.kind === 'folder';
  const own = join(folder.pair.path, destination.name);
  const out = isOut(folder, destination, destination) || !folder.scope.includes(own, isFolder);
  const mayDelete = rules.deletes && (isFolder || isCarried(destination, rules));
  if (out || !mayDelete) {
    plan.conflicts.push({
      ...placeOf(folder.pair, source),
      kind: 'conflict',
      message: `the destination has a ${destination.kind}${out ? ' out of scope' : ''} where the source has a ${source.kind}`,
    });
    return;
  }
  plan.actions.push({ action: 'delete', path, seen: snapshotOf(destination) });
  if (isFolder) plan.descend.push({ ...emptied(path), ...presentPath(folder.pair, destination) });
  else plan.destinationFiles++;
  planNew(folder, path, source, included);
}
