/**
 * The watched folders below a root: which ones have a watch, and what was found in them. watch.ts
 * decides what that means; folder-watch.ts watches one folder.
 */
import type { Stats } from 'node:fs';
import { lstat, readdir } from 'node:fs/promises';
import { Budget } from '../../core/at-once.js';
import { join, nameOf, parentOf } from '../../core/entry.js';
import { folderIdentity } from './file-state.js';
import type { FolderEvents, FolderWatch } from './folder-watch.js';

export interface TreeOptions {
  /** Absolute, resolved. */
  readonly root: string;
  /** Watches one folder: by events (folder-watch.ts), or by polling (poller.ts). */
  readonly watch: (folder: string, events: FolderEvents) => FolderWatch;
  /** Whether to watch a folder below the root. */
  readonly wanted: (folder: string) => boolean;
  /** Something happened to this path. */
  readonly onEvent: (path: string) => void;
  /** Files changed less than this long ago are fresh, ms. */
  readonly fresh: number;
  /** This path was found when a folder was listed. */
  readonly onFound: (path: string) => void;
  /** The root itself may have been replaced or removed. */
  readonly onRoot: () => void;
  /** A folder has no watch. */
  readonly onError: (folder: string, error: NodeJS.ErrnoException) => void;
}

/** Which files of a listed folder are reported: all, those that changed a short time ago, or none. */
export type ReportedFiles = 'all' | 'fresh' | 'none';

interface WatchedFolder {
  readonly watch: FolderWatch;
  readonly identity: string;
  /** Names of the watched folders in it. */
  readonly below: Set<string>;
}

interface FoundFolder {
  readonly path: string;
  readonly stats: Stats;
}

/** Folders that get a watch, or are listed, at once. */
const foldersAtOnce = 32;
/** Files of one folder whose age is read at once. */
const filesAtOnce = 256;

export class FolderTree {
  readonly #options: TreeOptions;
  readonly #folders = new Map<string, WatchedFolder>();
  readonly #places = new Budget(foldersAtOnce);
  #closed = false;
  /** Whether the system refused a watch because its limit is reached. */
  #full = false;

  constructor(options: TreeOptions) {
    this.#options = options;
  }

  /** Whether this very folder is watched, not a former one of the same path. */
  has(folder: string, stats: Stats): boolean {
    return this.#folders.get(folder)?.identity === folderIdentity(stats);
  }

  /**
   * Watches a folder and all wanted ones below it, in place of what was watched there; resolves when
   * the watches are on. Then reports `files` in them, since they may be older than the watch.
   */
  async add(path: string, stats: Stats, files: ReportedFiles): Promise<void> {
    const found = await this.#limited(async () => {
      if (this.#closed || this.#full) return [];
      if (!this.has(path, stats)) this.#watch(path, stats);
      return this.#enter(path, files);
    });
    await Promise.all(found.map((next) => this.add(next.path, next.stats, files)));
  }

  #watch(path: string, stats: Stats): void {
    this.drop(path);
    const folder: WatchedFolder = {
      watch: this.#options.watch(this.#real(path), {
        entry: (name) => {
          if (name === undefined) void this.add(path, stats, 'all');
          else this.#options.onEvent(join(path, name));
        },
        itself: () => this.#replaced(path),
        error: (error) => {
          if (error.code === 'ENOSPC' || error.code === 'EMFILE') this.#full = true;
          if (this.#folders.get(path) === folder) this.drop(path);
          this.#options.onError(path, error);
        },
      }),
      identity: folderIdentity(stats),
      below: new Set(),
    };
    this.#folders.set(path, folder);
    if (path !== '') this.#folders.get(parentOf(path))?.below.add(nameOf(path));
  }

  /** Ends the watch on a folder and all below it. */
  drop(path: string): void {
    const folder = this.#folders.get(path);
    if (folder === undefined) return;
    this.#folders.delete(path);
    if (path !== '') this.#folders.get(parentOf(path))?.below.delete(nameOf(path));
    folder.watch.close();
    for (const name of folder.below) this.drop(join(path, name));
  }

  /** Lists all watched folders, to find those that lack a watch because events were lost or no watch was left. */
  async refresh(files: ReportedFiles): Promise<void> {
    this.#full = false;
    if (!this.#folders.has('')) {
      const stats = await lstat(this.#options.root).catch(() => undefined);
      if (stats?.isDirectory()) await this.add('', stats, files);
      return;
    }
    await Promise.all(
      [...this.#folders.keys()].map(async (path) => {
        const found = await this.#limited(() => this.#enter(path, files));
        await Promise.all(found.map((next) => this.add(next.path, next.stats, files)));
      }),
    );
  }

  close(): void {
    this.#closed = true;
    this.drop('');
  }

  /** Without a slash at the end for the root. */
  #real(path: string): string {
    return path === '' ? this.#options.root : `${this.#options.root}/${path}`;
  }

  #replaced(path: string): void {
    if (path === '') {
      this.#options.onRoot();
      return;
    }
    this.drop(path);
    this.#options.onEvent(path);
  }

  /** Lists a folder once its watch is on; resolves to the folders in it that have no watch yet. */
  async #enter(path: string, files: ReportedFiles): Promise<FoundFolder[]> {
    const folder = this.#folders.get(path);
    await folder?.watch.on;
    if (folder === undefined || this.#folders.get(path) !== folder) return [];
    const { wanted, onFound } = this.#options;
    // if it is gone or can't be read, the folder above it or the run reports that
    const entries = await readdir(this.#real(path), { withFileTypes: true }).catch(() => []);
    const found: FoundFolder[] = [];
    const maybeFresh: string[] = [];
    for (const entry of entries) {
      const at = join(path, entry.name);
      if (!entry.isDirectory()) {
        if (files === 'all') onFound(at);
        else if (files === 'fresh') maybeFresh.push(at);
        continue;
      }
      if (!wanted(at)) continue;
      const stats = await lstat(this.#real(at)).catch(() => undefined);
      if (stats?.isDirectory() && (files === 'all' || !this.has(at, stats)))
        found.push({ path: at, stats });
    }
    for (let i = 0; i < maybeFresh.length; i += filesAtOnce)
      await Promise.all(
        maybeFresh.slice(i, i + filesAtOnce).map(async (at) => {
          if (await this.#isFresh(at)) onFound(at);
        }),
      );
    return found;
  }

  async #isFresh(path: string): Promise<boolean> {
    const stats = await lstat(this.#real(path)).catch(() => undefined);
    return stats !== undefined && Date.now() - stats.ctimeMs < this.#options.fresh;
  }

  async #limited<T>(work: () => Promise<T>): Promise<T> {
    // without a turn of the event loop where there is room, so that a watch is on as early as can be
    if (!this.#places.tryTake(1)) await this.#places.take(1);
    try {
      return await work();
    } finally {
      this.#places.give(1);
    }
  }
}
