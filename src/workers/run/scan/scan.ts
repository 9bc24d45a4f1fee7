/**
 * Walks both sides in step, folder by folder, and folds what `planFolder` says of each into the
 * plan. Many listings are in flight; what is equal is forgotten at once.
 */

import { Budget, each, walk } from '../../../core/at-once.js';
import { type Entry, isOurs, join, parentOf } from '../../../core/entry.js';
import { asFerryError, endsRun } from '../../../core/errors.js';
import type { Operation } from '../../../core/events.js';
import type { Endpoint } from '../../../endpoints/endpoint.js';
import { decide } from '../../../jobs/plan/compare.js';
import type { Scope } from '../../../jobs/plan/filter.js';
import type {
  DestinationEntry,
  FolderPlan,
  PlanRules,
  SourceEntry,
} from '../../../jobs/plan/folder-types.js';
import {
  type Action,
  type Equal,
  type Gathered,
  type Mkdir,
  type PathProblem,
  type Plan,
  type Skip,
  sealPlan,
} from '../../../jobs/plan/plan.js';
import { apply, planFolder } from '../../../jobs/plan/plan-folder.js';
import { memoryFor, sameContent } from '../copy/content.js';
import { resolveLink } from './links.js';
import {
  entered,
  entriesOnTheWay,
  type RequestedFolder,
  requestedFolders,
  vanished,
  withoutDeletions,
} from './only-folders.js';
import { readText } from './read-text.js';

export interface ScanRequest {
  readonly job: string;
  readonly operation: Operation;
  readonly source: Endpoint;
  readonly destination: Endpoint;
  /** When the source is one file, its name; nothing else of its folder is looked at. */
  readonly only: string | undefined;
  /** Folders below the source's root that alone are looked at (limited.ts says what that means); absent: the whole tree. */
  readonly folders?: readonly string[];
  readonly scope: Scope;
  readonly rules: PlanRules;
  readonly signal: AbortSignal;
  /** Told now and then how many entries were compared so far. */
  readonly onProgress: (compared: number) => void;
  /** Told of each file whose bytes were found the same on both sides, with when reading them began, ms since the epoch. */
  readonly onSame?: (path: string, readAt: number) => void;
}

export interface Scan {
  readonly plan: Plan;
  /** False when the source's root is not there. */
  readonly sourceExists: boolean;
  /** Paths at the destination of ferryline's own files: what earlier runs left behind. */
  readonly leftovers: readonly string[];
}

/**
 * Folders being listed at once: what fills the line, by its round trip in ms, and no more, since
 * their entries wait in memory for the other side's. `first` counts until it is known, by
 * `enoughToTell` folders, how many entries they have.
 */
const listingsAtOnce = {
  most: 512,
  first: (roundTrip: number) => Math.max(32, 10 * roundTrip),
  entries: (roundTrip: number) => Math.max(20_000, 5_000 * roundTrip),
  enoughToTell: 16,
};
/** Pairs of files whose bytes are compared at once, and the memory that takes. */
const pairsAtOnce = 128;
const pairsMemory = 32 * 1024 * 1024;

interface Task {
  readonly path: string;
  readonly from: string;
  readonly source: boolean;
  readonly destination: boolean;
  readonly scope: Scope;
  /** Resolved source folders on the way here, while links are followed: a link back to one would never end. */
  readonly trail: readonly string[];
  /** In a limited scan: what is asked for here and below. Absent: everything. */
  readonly asked?: RequestedFolder;
}

/** Scans both sides. Rejects only with what ends the run; an unreadable folder becomes a failure of the plan. */
export async function scan(request: ScanRequest): Promise<Scan> {
  const { source, destination, rules, signal } = request;
  const gathered = {
    actions: [] as Action[],
    missing: new Map<string, Mkdir>(),
    keepers: new Set<string>(),
    conflicts: [] as PathProblem[],
    failures: [] as PathProblem[],
    skips: [] as Skip[],
    equal: [] as Equal[],
    unchanged: 0,
    sourceFiles: 0,
    destinationFiles: 0,
  };
  const leftovers: string[] = [];
  let compared = 0;
  let visited = 0;
  let sourceExists = true;
  const limited = request.folders !== undefined;

  const keep = (path: string) => {
    for (let at = path; !gathered.keepers.has(at); at = parentOf(at)) {
      gathered.keepers.add(at);
      if (at === '') break;
    }
  };

  /** A folder that can't be read takes its subtree, and with it all deletions, out of the plan. */
  const unreadable = (task: Task, error: unknown, side: Endpoint) => {
    signal.throwIfAborted();
    const failure = asFerryError(error);
    if (endsRun(failure.kind)) throw failure;
    gathered.failures.push({
      path: task.path,
      kind: failure.kind,
      message: `${side.label}: the folder can't be listed: ${failure.message}`,
    });
    keep(task.path);
  };

  const listSide = async (
    side: Endpoint,
    path: string,
    wanted: boolean,
    asked: RequestedFolder | undefined,
  ): Promise<Entry[] | undefined> => {
    if (!wanted) return undefined;
    try {
      if (asked === undefined || asked.itself) return await side.list(path, signal);
      const { ignoreFile } = request.scope;
      const names = [...asked.below.keys()];
      if (side === source && ignoreFile !== undefined) names.push(ignoreFile);
      return await entriesOnTheWay(side, path, new Set(names), signal);
    } catch (error) {
      // only a root may be missing; a folder that was just seen and is gone is a failed listing
      if (path === '' && vanished(error)) {
        if (side === source) sourceExists = false;
        return undefined;
      }
      throw error;
    }
  };

  const visit = async (task: Task): Promise<Task[]> => {
    const [ours, theirs] = await Promise.allSettled([
      listSide(source, task.from, task.source, task.asked),
      listSide(destination, task.path, task.destination, task.asked),
    ]);
    if (ours.status === 'rejected') {
      if (limited && vanished(ours.reason)) return [];
      unreadable(task, ours.reason, source);
      return [];
    }
    if (theirs.status === 'rejected') {
      unreadable(task, theirs.reason, destination);
      return [];
    }
    const scope = await scopeFor(task, ours.value);
    if (scope === undefined) return [];
    const pair = {
      path: task.path,
      from: task.from,
      source: ours.value && (await sourceEntries(ours.value, task, scope)),
      destination: theirs.value && (await destinationEntries(theirs.value, task)),
    };
    const planned = planFolder(pair, scope, rules);
    const folder = limited ? withoutDeletions(planned) : planned;
    await decideContents(folder);
    fold(folder, task);
    return folder.descend.flatMap((next) => {
      const asked = task.asked === undefined ? {} : entered(task.asked, next);
      if (asked === undefined) return [];
      const { path, from, source, destination } = next;
      const trail = rules.symlinks === 'follow' ? [...task.trail, from] : task.trail;
      return [{ path, from, source, destination, scope, trail, ...asked }];
    });
  };

  /** The scope in this folder: its ignore file counts where it has one. */
  const scopeFor = async (
    task: Task,
    entries: readonly Entry[] | undefined,
  ): Promise<Scope | undefined> => {
    const name = task.scope.ignoreFile;
    if (name === undefined || !entries?.some((e) => e.name === name && e.kind === 'file'))
      return task.scope;
    try {
      const text = await readText(source, join(task.from, name), signal);
      return task.scope.withIgnoreFile(task.path, text);
    } catch (error) {
      unreadable(task, error, source);
      return undefined;
    }
  };

  /** With a source that is one file, that file's name is all that counts at the root. */
  const only = (entries: readonly Entry[], task: Task): readonly Entry[] =>
    request.only !== undefined && task.path === ''
      ? entries.filter((entry) => entry.name === request.only)
      : entries;

  const sourceEntries = async (
    entries: readonly Entry[],
    task: Task,
    scope: Scope,
  ): Promise<readonly SourceEntry[]> => {
    const resolved = await withLinks(only(entries, task), task, scope);
    // what only leads on is of no use unless it is a folder still
    return task.asked?.itself === false
      ? resolved.filter(({ kind }) => kind === 'folder')
      : resolved;
  };

  const withLinks = async (
    wanted: readonly Entry[],
    task: Task,
    scope: Scope,
  ): Promise<readonly SourceEntry[]> => {
    const { symlinks } = rules;
    if (symlinks === 'skip' || !wanted.some((entry) => entry.kind === 'link')) return wanted;
    return Promise.all(
      wanted.map(async (entry): Promise<SourceEntry> => {
        if (entry.kind !== 'link' || scope.excludes(join(task.path, entry.name), false))
          return entry;
        return resolveLink(source, task.from, entry, symlinks, task.trail, signal);
      }),
    );
  };

  const destinationEntries = async (
    entries: readonly Entry[],
    task: Task,
  ): Promise<readonly DestinationEntry[]> => {
    for (const { name } of entries) if (isOurs(name)) leftovers.push(join(task.path, name));
    const wanted = only(entries, task);
    if (rules.symlinks !== 'preserve' || !wanted.some((entry) => entry.kind === 'link'))
      return wanted;
    return Promise.all(
      wanted.map(async (entry): Promise<DestinationEntry> => {
        if (entry.kind !== 'link') return entry;
        const target = await destination.readlink(join(task.path, entry.name), signal);
        return { ...entry, target };
      }),
    );
  };

  const reading = new Budget(pairsMemory);
  const pairs = Math.min(pairsAtOnce, source.can.maxHandles, destination.can.maxHandles);

  const decideContents = (folder: FolderPlan) =>
    each(folder.undecided, Math.min(pairs, folder.undecided.length), async (pair) => {
      const { path, from, source: ours, destination: theirs } = pair;
      const { size } = ours;
      const units = Math.max(memoryFor(source, destination, size), pairsMemory / pairs);
      await reading.take(units);
      try {
        const readAt = Date.now();
        const equal = await sameContent(source, from, destination, path, signal, size);
        if (equal) request.onSame?.(path, readAt);
        apply(folder, pair, decide(equal, ours, theirs, rules), rules);
      } catch (error) {
        signal.throwIfAborted();
        const failure = asFerryError(error);
        if (endsRun(failure.kind)) throw failure;
        folder.failures.push({ path, kind: failure.kind, message: failure.message });
      } finally {
        reading.give(units);
      }
    });

  const fold = (folder: FolderPlan, task: Task) => {
    for (const action of folder.actions) gathered.actions.push(action);
    for (const folderToMake of folder.missing)
      gathered.missing.set(folderToMake.path, folderToMake);
    for (const conflict of folder.conflicts) gathered.conflicts.push(conflict);
    for (const failure of folder.failures) gathered.failures.push(failure);
    for (const equal of folder.equal) gathered.equal.push(equal);
    for (const skip of folder.skips) gathered.skips.push(skip);
    gathered.unchanged += folder.unchanged;
    gathered.sourceFiles += folder.sourceFiles;
    gathered.destinationFiles += folder.destinationFiles;
    if (folder.keeps && !task.source) keep(task.path);
    compared += folder.compared;
    visited++;
    request.onProgress(compared);
  };

  await walk(
    {
      path: '',
      from: '',
      source: true,
      destination: true,
      scope: request.scope,
      trail: [''],
      ...(request.folders === undefined ? {} : { asked: requestedFolders(request.folders) }),
    },
    foldersAtOnce(source, destination, () => ({ folders: visited, entries: compared })),
    visit,
  );
  const all: Gathered = {
    job: request.job,
    operation: request.operation,
    from: source.label,
    to: destination.label,
    ...gathered,
  };
  return { plan: sealPlan(all), sourceExists, leftovers };
}

/** How many folders may be listed at once, by what those before them had. */
function foldersAtOnce(
  { can: source }: Endpoint,
  { can: destination }: Endpoint,
  soFar: () => { readonly folders: number; readonly entries: number },
): () => number {
  const { most, first, entries, enoughToTell } = listingsAtOnce;
  const handles = Math.min(source.maxHandles, destination.maxHandles);
  return () => {
    const roundTrip = Math.max(source.roundTrip, destination.roundTrip);
    const had = soFar();
    const wanted =
      had.folders < enoughToTell
        ? first(roundTrip)
        : (entries(roundTrip) * had.folders) / (had.entries + 1);
    return Math.max(1, Math.min(Math.floor(wanted), most, handles));
  };
}
