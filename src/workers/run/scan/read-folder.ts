/**
 * Reads one folder of both sides for the scan: lists it, applies its ignore file, resolves links.
 * The walk over the folders is scan.ts.
 */
import { type Entry, isOurs, join, reservedFolder } from '../../../core/entry.js';
import { present } from '../../../core/present.js';
import type { Endpoint } from '../../../endpoints/endpoint.js';
import type { Scope } from '../../../jobs/plan/filter.js';
import type {
  DestinationEntry,
  FolderPair,
  PlanRules,
  SourceEntry,
} from '../../../jobs/plan/folder-types.js';
import type { Leftover } from '../remembered/seen-leftovers.js';
import { mayBeGone, provenGone } from '../vanished.js';
import { resolveLink } from './links.js';
import { entriesNamed, type RequestedFolder, vanished } from './only-folders.js';
import { readIgnoreFile } from './read-ignore-file.js';

/** A folder to be read and planned. */
export interface FolderTask {
  readonly path: string;
  /** The folder's path at the source; it differs from `path` below a followed link. */
  readonly from: string;
  /** Whether each side has the folder. */
  readonly source: boolean;
  readonly destination: boolean;
  readonly scope: Scope;
  /** Resolved source folders above this one, if links are followed: a link back to one of them would never end. */
  readonly trail: readonly string[];
  /** The destination's folder, and whether it is to be deleted, as in `FolderPair`. */
  readonly at?: string;
  readonly isAside?: boolean;
  /** In a run limited to folders: what is requested here and below. Absent: everything. */
  readonly requested?: RequestedFolder;
}

/** A folder's two listings, and its scope. */
export interface FolderContents {
  readonly pair: FolderPair;
  readonly scope: Scope;
}

/** A folder that `side` could not read. */
export interface UnreadableFolder {
  readonly side: Endpoint;
  readonly error: unknown;
}

export interface FolderReaderParts {
  readonly source: Endpoint;
  readonly destination: Endpoint;
  /** The source's name if it is one file. */
  readonly only: string | undefined;
  /** The name that this file gets at the destination; absent: the same. */
  readonly newName?: string;
  /** Present if the run is limited to folders. */
  readonly folders?: readonly string[];
  readonly scope: Scope;
  readonly rules: PlanRules;
  readonly signal: AbortSignal;
}

export class FolderReader {
  readonly #parts: FolderReaderParts;
  /** Ferryline's own files at the destination, temporary ones and what is aside: of earlier runs, or of other writers. */
  readonly leftovers: Leftover[] = [];
  /** Source links that were removed after they were listed, and what the scan adds. */
  readonly vanished: string[] = [];
  /** Whether the destination's root has a folder `.ferryline`; a link of that name is none. */
  hasReserved = false;
  /** False once the source's root has been found missing. */
  sourceExists = true;

  constructor(parts: FolderReaderParts) {
    this.#parts = parts;
  }

  /**
   * Reads a folder of both sides. Returns a listing or an ignore file that fails; any other error
   * ends the scan. Resolves to undefined if the source's folder vanished from a limited run.
   */
  async read(task: FolderTask): Promise<FolderContents | UnreadableFolder | undefined> {
    const { source, destination, folders } = this.#parts;
    const [ours, theirs] = await Promise.allSettled([
      this.#list(source, task.from, task.source, task.requested),
      this.#list(destination, task.at ?? task.path, task.destination, task.requested),
    ]);
    if (
      ours.status === 'rejected' &&
      folders !== undefined &&
      vanished(ours.reason) &&
      (await isMissing(source, task.from, this.#parts.signal))
    )
      return undefined;
    if (ours.status === 'rejected') return { side: source, error: ours.reason };
    if (theirs.status === 'rejected') return { side: destination, error: theirs.reason };
    let { scope } = task;
    const ignoreFile = scope.ignoreFile;
    const ignoreEntry = ours.value?.find(({ name }) => name === ignoreFile);
    if (ignoreEntry !== undefined && ignoreEntry.kind !== 'folder') {
      try {
        scope = await this.#withIgnoreFile(task, ignoreEntry);
      } catch (error) {
        return { side: source, error };
      }
    }
    const pair = {
      path: task.path,
      from: task.from,
      ...present({ at: task.at, isAside: task.isAside }),
      source: ours.value && (await this.#sourceEntries(ours.value, task, scope)),
      destination: theirs.value && (await this.#destinationEntries(theirs.value, task)),
    };
    return { pair, scope };
  }

  async #list(
    side: Endpoint,
    path: string,
    exists: boolean,
    requested: RequestedFolder | undefined,
  ): Promise<Entry[] | undefined> {
    if (!exists) return undefined;
    const { source, scope, signal } = this.#parts;
    try {
      if (requested === undefined || requested.itself) return await side.list(path, signal);
      const names = [...requested.below.keys()];
      if (side === source && scope.ignoreFile !== undefined) names.push(scope.ignoreFile);
      return await entriesNamed(side, path, new Set(names), signal);
    } catch (error) {
      // only a root may be missing, and only STAT says so; another folder was listed a moment ago, so its listing has failed
      if (path === '' && vanished(error) && (await isMissing(side, '', signal))) {
        if (side === source) this.sourceExists = false;
        return undefined;
      }
      throw error;
    }
  }

  async #withIgnoreFile(task: FolderTask, entry: Entry): Promise<Scope> {
    const { source, signal } = this.#parts;
    const text = await readIgnoreFile(source, task.from, entry, signal);
    return task.scope.withIgnoreFile(task.path, text);
  }

  async #sourceEntries(
    entries: readonly Entry[],
    task: FolderTask,
    scope: Scope,
  ): Promise<readonly SourceEntry[]> {
    const wanted = this.#wanted(entries, task, this.#parts.only);
    const resolved = this.#renamed(await this.#resolveLinks(wanted, task, scope), task);
    // a folder on the way to a requested one matters only if it is still a folder
    return task.requested?.itself === false
      ? resolved.filter(({ kind }) => kind === 'folder')
      : resolved;
  }

  /** With a source that is one file, only that file's name counts at the root. */
  #wanted<E extends Entry>(entries: readonly E[], task: FolderTask, name?: string): readonly E[] {
    return name !== undefined && task.path === ''
      ? entries.filter((entry) => entry.name === name)
      : entries;
  }

  /** A source that is one file, under the name that it gets at the destination. */
  #renamed(entries: readonly SourceEntry[], task: FolderTask): readonly SourceEntry[] {
    const { newName } = this.#parts;
    if (newName === undefined || task.path !== '') return entries;
    return entries.map((entry) => ({ ...entry, name: newName, from: entry.from ?? entry.name }));
  }

  async #resolveLinks(
    entries: readonly Entry[],
    task: FolderTask,
    scope: Scope,
  ): Promise<readonly SourceEntry[]> {
    const { source, rules, signal } = this.#parts;
    const { symlinks } = rules;
    if (symlinks === 'skip' || !entries.some((entry) => entry.kind === 'link')) return entries;
    const resolved = await Promise.all(
      entries.map(async (entry): Promise<SourceEntry | undefined> => {
        const path = join(task.path, entry.name);
        if (entry.kind !== 'link' || scope.excludes(path, false)) return entry;
        try {
          return await resolveLink(source, task.from, entry, symlinks, task.trail, signal);
        } catch (error) {
          const from = join(task.from, entry.name);
          if (!mayBeGone(error, from) || !(await provenGone(source, from, signal))) throw error;
          this.vanished.push(path);
          return undefined;
        }
      }),
    );
    return resolved.filter((entry) => entry !== undefined);
  }

  async #destinationEntries(
    entries: readonly Entry[],
    task: FolderTask,
  ): Promise<readonly DestinationEntry[]> {
    const { destination, rules, signal } = this.#parts;
    for (const { name, kind, size } of entries)
      if (isOurs(name) && (kind !== 'folder' || name.endsWith('.ferryold')))
        this.leftovers.push({ path: join(task.at ?? task.path, name), size });
    if (task.path === '')
      this.hasReserved = entries.some((e) => e.name === reservedFolder && e.kind === 'folder');
    const { only, newName = only } = this.#parts;
    const wanted = this.#wanted(entries, task, newName);
    if (rules.symlinks !== 'preserve' || !wanted.some((entry) => entry.kind === 'link'))
      return wanted;
    return Promise.all(
      wanted.map(async (entry): Promise<DestinationEntry> => {
        if (entry.kind !== 'link') return entry;
        const target = await destination.readlink(join(task.at ?? task.path, entry.name), signal);
        return { ...entry, target };
      }),
    );
  }
}

/**
 * Whether a side has no folder at a path: STAT alone says so. A server may answer "no such file" to
 * OPENDIR or READDIR because of one dead link in the folder.
 */
async function isMissing(side: Endpoint, path: string, signal: AbortSignal): Promise<boolean> {
  const there = await side.stat(path, signal);
  return there === undefined || (there.kind !== 'folder' && there.kind !== 'link');
}
