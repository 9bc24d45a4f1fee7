/**
 * Watches a local folder and says in which folders below it files have come to rest, and when only
 * a look at the whole tree will do. An event only says where to look (folder-tree.ts); what was
 * looked at waits until it stands still (settle.ts). Nothing here starts a run.
 */
import type { Stats } from 'node:fs';
import { lstat } from 'node:fs/promises';
import { parentOf } from '../../core/entry.js';
import { isReserved, lookOf, type Place, placeOf } from './file-state.js';
import { FolderTree, identityOf, type Tell } from './folder-tree.js';
import { onLostEvents } from './folder-watch.js';
import { Settle } from './settle.js';
import { noRoot, unwatched } from './unwatched.js';

export type RescanReason = 'start' | 'rescan' | 'overflow' | 'error' | 'root';

export interface WatchOptions {
  /** Absolute path of the folder, or of one file; it need not exist yet, and may vanish and come back. */
  readonly root: string;
  /** For how long a file must stand still, ms. */
  readonly settle: number;
  /** How often the whole tree is to be looked at, ms. */
  readonly rescan: number;
  /** Whether a path below the root is in scope; what isn't wanted as a folder is not watched. Ferryline's own names never are. */
  readonly wanted: (path: string, isFolder: boolean) => boolean;
  /** Folders below the root (`''` is the root), sorted, in which files have come to rest since the last call. */
  readonly onSettled: (folders: readonly string[]) => void;
  /** The whole tree is to be looked at: not all changes of it are known. */
  readonly onRescan: (why: RescanReason) => void;
  /** `degraded`: changes are missed somewhere, and only a look at the whole tree finds them; `why` is a sentence, with what to do. */
  readonly onState: (state: 'watching' | 'degraded', why?: string) => void;
  /** Milliseconds between tries to put on watches that failed; default a minute. */
  readonly retry?: number;
}

export interface Watch {
  /** Resolves when the watches are on, as far as they can be. */
  readonly ready: Promise<void>;
  close(): Promise<void>;
}

/** Milliseconds between looks whether the root is still the same: a mount makes no event. */
const rootEvery = 2000;
/** Milliseconds between two calls of `onSettled`, so that many files make few calls. */
const between = 100;
/** Milliseconds by which a run may see a file as younger than it is looked at here: clocks are coarse. */
const coarse = 50;
/** Files looked at at once. */
const atOnce = 256;
/** Paths that may wait for their first look; with more, a look at the whole tree is cheaper. */
const mostHeard = 50_000;
/** Folders in one call of `onSettled`; with more, a look at the whole tree is cheaper. */
const mostFolders = 1000;
/** The longest that a timer can wait, ms. */
const longestTimer = 2 ** 31 - 1;

/** Begins to watch. Never throws; what goes wrong is told by `onState`. */
export function watchFolder(options: WatchOptions): Watch {
  const watching = new Watching(options);
  return { ready: watching.start(), close: () => watching.close() };
}

class Watching {
  readonly #options: WatchOptions;
  readonly #settle: Settle;
  readonly #timers: NodeJS.Timeout[] = [];
  #tree: FolderTree | undefined;
  #place: Place | undefined;
  /** Tells this root from another one; undefined while there is none. */
  #root: string | undefined;
  #checking: Promise<void> | undefined;
  /** Paths to look at, and whether an event told of them. */
  readonly #heard = new Map<string, boolean>();
  #looking: Promise<void> | undefined;
  #tick: NodeJS.Timeout | undefined;
  /** When `#tick` goes off. */
  #wakes = Number.POSITIVE_INFINITY;
  /** When `onSettled` was called last. */
  #reported = Number.NEGATIVE_INFINITY;
  /** Folders that have no watch, and why. */
  readonly #unwatched = new Map<string, NodeJS.ErrnoException>();
  /** The state that was told last: a reason, or that there is none. */
  #told: string | undefined;
  /** Whether watches are being put on, whose failures are told together. */
  #settingUp = 0;
  #flooded = false;
  /** How often too much came at once. */
  #losses = 0;
  #losing = false;
  #closed = false;
  readonly #quiet: () => void;

  constructor(options: WatchOptions) {
    this.#options = options;
    this.#settle = new Settle(options.settle);
    this.#quiet = onLostEvents(() => void this.#lost());
  }

  async start(): Promise<void> {
    await this.#checkRoot('start');
    if (this.#closed) return;
    const { rescan, retry = 60_000 } = this.#options;
    this.#timers.push(
      setInterval(() => void this.#checkRoot('root'), rootEvery),
      setInterval(() => void this.#rescan(), Math.min(rescan, longestTimer)),
      setInterval(() => void this.#retry(), retry),
    );
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#quiet();
    for (const timer of this.#timers) clearInterval(timer);
    clearTimeout(this.#tick);
    this.#tree?.close();
    await this.#checking;
    await this.#looking;
  }

  /** Looks whether the root is there and the one that is watched; if not, begins anew. */
  #checkRoot(why: 'start' | 'root'): Promise<void> {
    this.#checking ??= this.#followRoot(why).finally(() => {
      this.#checking = undefined;
    });
    return this.#checking;
  }

  async #followRoot(why: 'start' | 'root'): Promise<void> {
    const { root, settle, wanted } = this.#options;
    const found = await placeOf(root);
    const now = found && `${found.folder}/${found.only ?? ''}:${identityOf(found.stats)}`;
    if (this.#closed || (now === this.#root && now !== undefined)) return;
    this.#root = now;
    this.#place = found;
    this.#tree?.close();
    this.#tree = undefined;
    this.#heard.clear();
    this.#settle.clear();
    this.#unwatched.clear();
    if (found === undefined) return this.#tellState();
    this.#tree = new FolderTree({
      root: found.folder,
      wanted: (folder) => found.only === undefined && !isReserved(folder) && wanted(folder, true),
      onEvent: (path) => this.#hear(path, true),
      fresh: settle + coarse,
      onFound: (path) => this.#hear(path, false),
      onRoot: () => void this.#checkRoot('root'),
      onError: (folder, error) => this.#failed(folder, error),
    });
    const tree = this.#tree;
    await this.#setUp(() => tree.add('', found.stats, 'fresh'));
    if (!this.#closed) this.#options.onRescan(why);
  }

  #hear(path: string, event: boolean): void {
    const only = this.#place?.only;
    if (this.#closed || isReserved(path) || (only !== undefined && path !== only)) return;
    const again = event ? this.#settle.heard(path, performance.now()) : undefined;
    if (again !== undefined) this.#wakeAt(again);
    else if (this.#heard.size >= mostHeard) this.#flooded = true;
    else {
      this.#heard.set(path, event || this.#heard.get(path) === true);
      void this.#look();
    }
  }

  /** Looks again at that time, but not before the last call of `onSettled` is a while ago. */
  #wakeAt(due: number): void {
    const at = Math.max(due, this.#reported + between);
    if (at >= this.#wakes) return;
    clearTimeout(this.#tick);
    this.#wakes = at;
    const wake = () => {
      this.#wakes = Number.POSITIVE_INFINITY;
      void this.#look();
    };
    this.#tick = setTimeout(wake, at - performance.now());
  }

  /** Looks at what was heard of and at what is due, and tells what came to rest. One at a time. */
  #look(): Promise<void> {
    this.#looking ??= this.#lookAround().finally(() => {
      this.#looking = undefined;
      if (this.#heard.size > 0) void this.#look();
    });
    return this.#looking;
  }

  async #lookAround(): Promise<void> {
    await new Promise((next) => setImmediate(next)); // events come in crowds
    const heard = [...this.#heard];
    this.#heard.clear();
    const now = performance.now();
    const telling = now >= this.#reported + between;
    if (telling) for (const path of this.#settle.due(now).paths) heard.push([path, false]);
    for (let i = 0; i < heard.length && !this.#closed; i += atOnce)
      await Promise.all(
        heard.slice(i, i + atOnce).map(async ([path, event]) => {
          const stats = await lstat(`${this.#place?.folder}/${path}`).catch(() => undefined);
          if (!this.#closed) this.#saw(path, stats, event);
        }),
      );
    if (this.#closed) return;
    if (this.#settle.overflow() || this.#flooded) {
      this.#flooded = false;
      void this.#lost();
    }
    if (telling) this.#tell();
    const { paths, next } = this.#settle.due(performance.now());
    if (paths.length > 0) this.#wakeAt(performance.now());
    else if (next !== undefined) this.#wakeAt(next);
  }

  #saw(path: string, stats: Stats | undefined, event: boolean): void {
    const { wanted } = this.#options;
    const isFile = stats?.isFile() || stats?.isSymbolicLink();
    if (!stats?.isDirectory()) this.#tree?.drop(path);
    else if (!this.#tree?.has(path, stats) && this.#place?.only === undefined && wanted(path, true))
      void this.#tree?.add(path, stats, 'all');
    const seen = stats === undefined || !isFile || !wanted(path, false) ? undefined : lookOf(stats);
    this.#settle.look(path, seen, performance.now(), event);
  }

  #tell(): void {
    const folders = new Set(this.#settle.ready().map(parentOf));
    if (folders.size === 0) return;
    this.#reported = performance.now();
    if (folders.size > mostFolders) this.#options.onRescan('overflow');
    else this.#options.onSettled([...folders].sort());
  }

  /** Too much came at once, so folders may have been missed as well. */
  async #lost(): Promise<void> {
    this.#losses++;
    if (this.#losing || this.#root === undefined) return;
    this.#losing = true;
    for (let before = -1; before !== this.#losses; ) {
      before = this.#losses;
      await this.#refresh('fresh');
    }
    this.#losing = false;
    if (!this.#closed) this.#options.onRescan('overflow');
  }

  async #rescan(): Promise<void> {
    if (this.#root === undefined) return;
    await this.#refresh('none');
    if (!this.#closed && this.#root !== undefined) this.#options.onRescan('rescan');
  }

  async #retry(): Promise<void> {
    const before = this.#unwatched.size;
    if (before === 0) return;
    await this.#refresh('fresh');
    // what happened in folders that had no watch was not seen
    if (!this.#closed && this.#unwatched.size < before) this.#options.onRescan('error');
  }

  #refresh(tell: Tell): Promise<void> {
    this.#unwatched.clear();
    return this.#setUp(async () => this.#tree?.refresh(tell));
  }

  async #setUp(work: () => Promise<void>): Promise<void> {
    this.#settingUp++;
    await work();
    this.#settingUp--;
    this.#tellState();
  }

  #failed(folder: string, error: NodeJS.ErrnoException): void {
    if (this.#closed) return;
    const first = this.#unwatched.size === 0;
    this.#unwatched.set(folder, error);
    if (this.#settingUp > 0) return;
    this.#tellState();
    if (first) this.#options.onRescan('error');
  }

  #tellState(): void {
    if (this.#closed || this.#settingUp > 0) return;
    const why = this.#why();
    const state = why ?? 'watching';
    if (state === this.#told) return;
    this.#told = state;
    if (why === undefined) this.#options.onState('watching');
    else this.#options.onState('degraded', why);
  }

  /** What is not watched, if anything. */
  #why(): string | undefined {
    if (this.#root === undefined) return noRoot(this.#options.root);
    const [first] = this.#unwatched;
    return first && unwatched(first[0] === '' ? this.#options.root : first[0], first[1]);
  }
}
