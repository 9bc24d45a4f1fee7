/**
 * The watched folders below a root: which ones have a watch, and what is found in them. What it
 * means that something was found is watch.ts's affair; how one folder is watched, folder-watch.ts's.
 */
import type { Stats } from 'node:fs';
import { lstat, readdir } from 'node:fs/promises';
import { join, nameOf, parentOf } from '../../core/entry.js';
import { type FolderWatch, watchOne } from './folder-watch.js';

export interface TreeOptions {
  /** Absolute, resolved. */
  readonly root: string;
  /** Whether a folder below the root is to be watched. */
  readonly wanted: (folder: string) => boolean;
  /** Something happened to this path. */
  readonly onEvent: (path: string) => void;
  /** Files that changed less than this ago, ms, are fresh. */
  readonly fresh: number;
  /** This path was found when a folder was gone through. */
  readonly onFound: (path: string) => void;
  /** The root itself may be another one now, or gone. */
  readonly onRoot: () => void;
  /** A folder has no watch. */
  readonly onError: (folder: string, error: NodeJS.ErrnoException) => void;
}

/** What of a folder's files is told when it is gone through: all of them, those that changed a short time ago, or none. */
export type Tell = 'all' | 'fresh' | 'none';

interface Folder {
  readonly watch: FolderWatch;
  readonly identity: string;
  /** Names of the watched folders in it. */
  readonly below: Set<string>;
}

interface Found {
  readonly path: string;
  readonly stats: Stats;
}

/** Folders that are put under watch, or listed, at once. */
const atOnce = 32;
/** Files of one folder that are looked at at once. */
const looksAtOnce = 256;

export class FolderTree {
  readonly #options: TreeOptions;
  readonly #folders = new Map<string, Folder>();
  readonly #waiting: (() => void)[] = [];
  #busy = 0;
  #closed = false;
  /** Whether the system gives no more watches. */
  #full = false;

  constructor(options: TreeOptions) {
    this.#options = options;
  }

  /** Whether this very folder is watched, not one that stood there before. */
  has(folder: string, stats: Stats): boolean {
    return this.#folders.get(folder)?.identity === identityOf(stats);
  }

  /**
   * Watches a folder and all that are wanted below it, in place of what was watched there; resolves
   * when the watches are on. What stands in them is told then, as `tell` says: it may have come before.
   */
  async add(path: string, stats: Stats, tell: Tell): Promise<void> {
    const found = await this.#limited(async () => {
      if (this.#closed || this.#full) return [];
      if (!this.has(path, stats)) this.#watch(path, stats);
      return this.#enter(path, tell);
    });
    await Promise.all(found.map((next) => this.add(next.path, next.stats, tell)));
  }

  #watch(path: string, stats: Stats): void {
    this.drop(path);
    const folder: Folder = {
      watch: watchOne(this.#real(path), {
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
      identity: identityOf(stats),
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

  /** Looks through all watched folders for some that should be and are not: events were lost, or no watches were left. */
  async refresh(tell: Tell): Promise<void> {
    this.#full = false;
    if (!this.#folders.has('')) {
      const stats = await lstat(this.#options.root).catch(() => undefined);
      if (stats?.isDirectory()) await this.add('', stats, tell);
      return;
    }
    await Promise.all(
      [...this.#folders.keys()].map(async (path) => {
        const found = await this.#limited(() => this.#enter(path, tell));
        await Promise.all(found.map((next) => this.add(next.path, next.stats, tell)));
      }),
    );
  }

  close(): void {
    this.#closed = true;
    this.drop('');
  }

  /** The root's own path is the root. */
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

  /** Lists a folder once its watch is on; resolves to the folders in it that have none yet. */
  async #enter(path: string, tell: Tell): Promise<Found[]> {
    const folder = this.#folders.get(path);
    await folder?.watch.on;
    if (folder === undefined || this.#folders.get(path) !== folder) return [];
    const { wanted, onFound } = this.#options;
    // one that is gone, or can't be read, is told by the folder above it, or by the run
    const entries = await readdir(this.#real(path), { withFileTypes: true }).catch(() => []);
    const found: Found[] = [];
    const files: string[] = [];
    for (const entry of entries) {
      const at = join(path, entry.name);
      if (!entry.isDirectory()) {
        if (tell === 'all') onFound(at);
        else if (tell === 'fresh') files.push(at);
        continue;
      }
      if (!wanted(at)) continue;
      const stats = await lstat(this.#real(at)).catch(() => undefined);
      if (stats?.isDirectory() && (tell === 'all' || !this.has(at, stats)))
        found.push({ path: at, stats });
    }
    for (let i = 0; i < files.length; i += looksAtOnce)
      await Promise.all(
        files.slice(i, i + looksAtOnce).map(async (at) => {
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
    if (this.#busy >= atOnce) await new Promise<void>((go) => this.#waiting.push(go));
    this.#busy++;
    try {
      return await work();
    } finally {
      this.#busy--;
      this.#waiting.shift()?.();
    }
  }
}

/** Tells a folder from another one of its name. Where there is no time of birth, only the number does. */
export function identityOf({ dev, ino, birthtimeMs }: Stats): string {
  return `${dev}:${ino}:${birthtimeMs}`;
}
