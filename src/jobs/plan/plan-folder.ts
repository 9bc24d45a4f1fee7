/**
 * One folder's part of the plan: its two listings, name by name. A total and deterministic function
 * of its arguments; what goes in and out is folder-plan.ts, what the whole comes to plan.ts. Pure.
 *
 * Most entries of most runs are equal, so that way is short and leaves nothing behind but a count.
 */
import { byBytes, type Entry, isOurs, join } from '../../core/entry.js';
import { compareFiles, mayReplace, type Verdict } from './compare.js';
import type { Scope } from './filter.js';
import {
  type Descent,
  type DestinationEntry,
  type FolderPair,
  type FolderPlan,
  type PlanRules,
  type SourceEntry,
  seen,
  type Undecided,
} from './folder-types.js';
import { type Group, pairUp, sameButCase } from './pair.js';
import type { Mkdir } from './plan.js';

/** What planning one folder needs at every step. */
interface Look {
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
    keeps: false,
    unchanged: 0,
    sourceFiles: 0,
    destinationFiles: 0,
    compared: 0,
  };
  const look: Look = { plan, pair, scope, rules };
  const groups = pairUp(
    pair.source ?? [],
    pair.destination ?? [],
    rules.caseSensitive,
    (source, destination) => planEntry(look, source, destination),
  );
  for (const group of groups) planGroup(look, group);
  return plan;
}

/** Names that would be one name: a change of case, an entry listed twice, or a collision. */
function planGroup(look: Look, { source, destination }: Group<SourceEntry, DestinationEntry>) {
  if (source.length === 0) {
    // what collides only among the destination's own entries is nobody's conflict
    for (const name of namesOf(destination)) {
      const [entry, again] = destination.filter((it) => it.name === name);
      if (again === undefined) planEntry(look, undefined, entry);
      else listedTwice(look, again);
    }
    return;
  }
  const { plan, pair, rules } = look;
  if (destination.length > 0) plan.keeps = true;
  const ours = source.filter((entry) => !isOut(look, entry, entry));
  const [first] = ours;
  if (first === undefined) return;
  if (ours.length === 1 && destination.length <= 1) {
    const [other] = destination;
    const one = other === undefined || other.name === first.name;
    if (one || (!rules.caseSensitive && isRenamed(first.name, other.name, source)))
      return planEntry(look, first, other);
  }
  plan.sourceFiles += ours.filter((entry) => isCarried(entry, rules)).length;
  const names = namesOf([...ours, ...destination]);
  if (names.length === 1) return listedTwice(look, first);
  plan.compared += names.length;
  for (const name of names)
    plan.conflicts.push({
      path: join(pair.path, name),
      kind: 'conflict',
      message: `its name collides with "${names.find((it) => it !== name)}": both would be one name at the destination`,
    });
}

function namesOf(entries: readonly Entry[]): string[] {
  return [...new Set(entries.map(({ name }) => name))].sort(byBytes);
}

/** Whether the destination's entry is the source's under a name of another case, and not one that the source has, too. */
function isRenamed(name: string, was: string, source: readonly SourceEntry[]): boolean {
  return sameButCase(name, was) && !source.some((entry) => entry.name === was);
}

/** A listing that names something twice was changed while it was read: it proves nothing of that name. */
function listedTwice(look: Look, entry: Entry): void {
  const { plan, pair } = look;
  plan.compared++;
  plan.keeps = true;
  if (isOut(look, entry, undefined)) return;
  plan.failures.push({
    path: join(pair.path, entry.name),
    kind: 'io',
    message: 'the listing of its folder names it twice, so something changed it meanwhile',
  });
}

/** Whether an entry is out of scope; its size and age are told by `measured`. A folder that `include` doesn't take may hold what it does. */
function isOut({ pair, scope }: Look, entry: Entry, measured: Entry | undefined): boolean {
  const path = join(pair.path, entry.name);
  const isFolder = entry.kind === 'folder';
  return (
    scope.excludes(path, isFolder) !== undefined ||
    (!isFolder && !scope.includes(path, false)) ||
    (measured?.kind === 'file' && scope.limits(measured) !== undefined)
  );
}

/** One name: what stands at the source, what at the destination. */
function planEntry(
  look: Look,
  source: SourceEntry | undefined,
  destination: DestinationEntry | undefined,
): void {
  const { plan, pair, scope, rules } = look;
  plan.compared++;
  if (destination !== undefined && source !== undefined) plan.keeps = true;
  const entry = source ?? (destination as DestinationEntry);
  const { name, kind } = entry;
  const path = join(pair.path, name);
  const isFolder = kind === 'folder';
  if (scope.excludes(path, isFolder, name) !== undefined) {
    if (destination !== undefined) plan.keeps = true;
    if (source !== undefined && isOurs(name))
      plan.skips.push({ path, kind: 'temporary', message: "a name of ferryline's own files" });
    return;
  }
  const problem = entry.problem ?? (source === undefined ? undefined : destination?.problem);
  if (problem !== undefined && (source !== undefined || rules.operation === 'mirror')) {
    plan.failures.push({ path, kind: 'io', message: `${problem}, so it can't be carried over` });
    if (destination !== undefined) plan.keeps = true;
    return;
  }
  const included = scope.includes(path, isFolder);
  if (!isFolder && (!included || (kind === 'file' && scope.limits(entry) !== undefined))) {
    if (destination !== undefined) plan.keeps = true;
    return;
  }
  if (source === undefined) {
    planSurplus(look, path, destination as DestinationEntry, included);
    return;
  }
  if (kind === 'special') {
    plan.skips.push({ path, kind: 'special', message: 'a FIFO, socket or device' });
    return;
  }
  if (kind === 'link' && source.target === undefined) {
    plan.skips.push({ path, kind: 'link', message: source.passed ?? 'symlinks: skip' });
    return;
  }
  if (!isFolder) plan.sourceFiles++;
  if (destination === undefined) planNew(look, path, source, included);
  else if (
    destination.kind === kind &&
    (destination.name === name || !isOut(look, destination, undefined))
  )
    planBoth(look, path, source, destination);
  else planReplacement(look, path, source, destination, included);
}

/** Only the destination has it. */
function planSurplus(
  { plan, rules }: Look,
  path: string,
  destination: DestinationEntry,
  included: boolean,
): void {
  const counts = isCarried(destination, rules);
  if (counts) plan.destinationFiles++;
  if (rules.operation !== 'mirror') {
    plan.keeps = true;
    return;
  }
  const isFolder = destination.kind === 'folder';
  // emptied first, removed when nothing stays in it: sealPlan knows
  if (isFolder) plan.descend.push(emptied(path));
  if (counts || (isFolder && included))
    plan.actions.push({ action: 'delete', path, seen: seen(destination) });
  else plan.keeps = true;
}

/** A folder that only the destination has, to be looked through for what goes. */
function emptied(path: string): Descent {
  return { path, from: path, source: false, destination: true, mode: 0 };
}

/** Whether a run carries such an entry, so that a mirror may take away the destination's. */
function isCarried({ kind }: Entry, { symlinks }: PlanRules): boolean {
  return kind === 'file' || (kind === 'link' && symlinks === 'preserve');
}

/** Where the source's bytes for an entry of this folder are. */
function placeOf(pair: FolderPair, entry: SourceEntry): string {
  return entry.from ?? join(pair.from, entry.name);
}

/** Nothing stands in its way. */
function planNew(look: Look, path: string, source: SourceEntry, included: boolean): void {
  const { plan, pair, rules } = look;
  const from = placeOf(pair, source);
  if (source.kind === 'folder') {
    const make: Mkdir = { action: 'mkdir', path, mode: source.mode };
    if (rules.operation === 'mirror' && included) plan.actions.push(make);
    else plan.missing.push(make);
    plan.descend.push({ path, from, source: true, destination: false, mode: source.mode });
  } else if (source.kind === 'link') {
    const target = source.target as string;
    plan.actions.push({ action: 'link', path, target, destination: undefined });
  } else
    plan.actions.push({
      action: 'copy',
      path,
      from,
      source: seen(source),
      destination: undefined,
      reason: 'new',
    });
}

/** The same kind of thing on both sides. */
function planBoth(
  look: Look,
  path: string,
  source: SourceEntry,
  destination: DestinationEntry,
): void {
  const { plan, pair, rules } = look;
  if (source.kind === 'folder') {
    const from = placeOf(pair, source);
    plan.descend.push({ path, from, source: true, destination: true, mode: source.mode });
    return;
  }
  plan.destinationFiles++;
  if (source.kind === 'link') {
    planLinks(look, path, source, destination);
    return;
  }
  const verdict = compareFiles(source, destination, rules, rules.doubts?.get(path));
  const sameName = source.name === destination.name;
  if (sameName && !rules.listEqual && (verdict.is === 'equal' || verdict.is === 'kept')) {
    plan.unchanged++;
    return;
  }
  const both: Undecided = {
    path,
    from: placeOf(pair, source),
    source,
    destination,
    ...(sameName ? {} : { rename: join(pair.path, destination.name) }),
  };
  if (verdict.is === 'undecided') plan.undecided.push(both);
  else apply(plan, both, verdict, rules);
}

function planLinks(
  { plan, pair, rules }: Look,
  path: string,
  source: SourceEntry,
  destination: DestinationEntry,
): void {
  const target = source.target as string;
  const was = seen(destination);
  if (target !== destination.target && mayReplace(source, destination, rules))
    plan.actions.push({ action: 'link', path, target, destination: was });
  else if (target === destination.target && source.name !== destination.name)
    plan.actions.push({
      action: 'attrs',
      path,
      source: { ...seen(source), mtime: undefined }, // a link's own mtime is not carried
      destination: was,
      rename: join(pair.path, destination.name),
    });
  else plan.unchanged++;
}

/** Adds what a verdict on two files asks for. */
export function apply(
  plan: Pick<FolderPlan, 'actions' | 'equal' | 'unchanged'>,
  { path, from, source, destination, rename }: Undecided,
  verdict: Verdict,
  rules: Pick<PlanRules, 'listEqual'>,
): void {
  const change = {
    path,
    source: seen(source),
    destination: seen(destination),
    ...(rename === undefined ? {} : { rename }),
  };
  if (verdict.is === 'different')
    plan.actions.push({ action: 'copy', from, reason: verdict.reason, ...change });
  else if (verdict.is === 'attrs' || (verdict.is === 'equal' && rename !== undefined))
    plan.actions.push({ action: 'attrs', ...change });
  else {
    plan.unchanged++;
    if (rules.listEqual && verdict.is === 'equal')
      plan.equal.push({ path, from, source: change.source });
  }
}

/** Another kind of thing stands in its way, or the same under a name that is out of scope. */
function planReplacement(
  look: Look,
  path: string,
  source: SourceEntry,
  destination: DestinationEntry,
  included: boolean,
): void {
  const { plan, rules } = look;
  const isFolder = destination.kind === 'folder';
  const own = join(look.pair.path, destination.name);
  const out = isOut(look, destination, destination) || !look.scope.includes(own, isFolder);
  const gives = rules.operation === 'mirror' && (isFolder || isCarried(destination, rules));
  if (out || !gives) {
    plan.conflicts.push({
      path,
      kind: 'conflict',
      message: `a ${destination.kind}${out ? ' out of scope' : ''} stands where the source has a ${source.kind}`,
    });
    return;
  }
  plan.actions.push({ action: 'delete', path, seen: seen(destination) });
  if (isFolder) plan.descend.push(emptied(path));
  else plan.destinationFiles++;
  planNew(look, path, source, included);
}
