/**
 * Watches a local folder and reports in which folders below it files have come to rest, and when the
 * whole tree must be looked at. The watches are in folder-tree.ts; an event only says where to look,
 * which changed-files.ts does. Nothing here starts a run.
 */
import type { Stats } from 'node:fs';
import { ChangedFiles } from './changed-files.js';
import { findRoot, isReserved, type WatchRoot } from './file-state.js';
import { eventlessFileSystem } from './file-system.js';
import { FolderTree, type ReportedFiles } from './folder-tree.js';
import { onLostEvents, watchOne } from './folder-watch.js';
import { Poller } from './poller.js';
import { noRoot, unwatched } from './unwatched.js';

export type WatchState = 'watching' | 'polling' | 'degraded';

export type RescanReason = 'start' | 'rescan' | 'overflow' | 'error' | 'root';

export interface WatchOptions {
  /** Absolute path of the folder, or of one file; it need not exist yet, and may vanish and come back. */
  readonly root: string;
  /** For how long a file must not change, ms. */
  readonly settle: number;
  /** How often the whole tree must be looked at, ms. */
  readonly rescan: number;
  /** How often folders are looked at, ms, instead of waiting for events; undefined: every 5 s on file systems without events, such as nfs. */
  readonly poll?: number | undefined;
  /** Whether a path below the root is in scope; a folder that isn't is not watched. Ferryline's own names never are. */
  readonly wanted: (path: string, isFolder: boolean) => boolean;
  /** Folders below the root (`''` is the root), sorted, in which files have come to rest since the last call. */
  readonly onSettled: (folders: readonly string[]) => void;
  /** The whole tree must be looked at, since some of its changes are unknown. */
  readonly onRescan: (why: RescanReason) => void;
  /**
   * `polling`: by looking again and again; `why` is the file system that has no events, if that is the reason.
   * `degraded`: changes are missed somewhere, and only a look at the whole tree finds them; `why` is a
   * sentence that says what to do.
   */
  readonly onState: (state: WatchState, why?: string) => void;
  /** Time between attempts to add watches that failed, ms; default a minute. */
  readonly retry?: number;
}

export interface Watch {
  /** Resolves when the watches are on, as far as that is possible. */
  readonly ready: Promise<void>;
  close(): Promise<void>;
}

/** Time between two checks that the root is still the same one: a mount makes no event. */
const checkRootEveryMs = 2000;
/** Between two looks at a folder whose file system has no events. */
const pollEveryMs = 5000;
/** A run may see a file as this much younger than it is seen here: clocks are coarse. */
const clockErrorMs = 50;
/** The longest that a timer can wait. */
const longestTimerMs = 2 ** 31 - 1;

/** Begins to watch. Never throws; problems are reported by `onState`. */
export function watchFolder(options: WatchOptions): Watch {
  const watching = new RootWatch(options);
  return { ready: watching.start(), close: () => watching.close() };
}

/** Follows the root of a watch and keeps its folders watched. */
class RootWatch {
  readonly #options: WatchOptions;
  readonly #files: ChangedFiles;
  readonly #timers: NodeJS.Timeout[] = [];
  readonly #stopListening: () => void;
  /** Undefined while it does not exist. */
  #root: WatchRoot | undefined;
  #tree: FolderTree | undefined;
  /** Whether the folders are polled, and the file system that is the reason, if one is. */
  #polls = false;
  #fileSystem: string | undefined;
  #checking: Promise<void> | undefined;
  /** Folders that have no watch, and why. */
  readonly #unwatched = new Map<string, NodeJS.ErrnoException>();
  /** What was last passed to `onState`. */
  #reportedState: string | undefined;
  /** Above 0 while watches are being added, whose failures are reported together. */
  #settingUp = 0;
  /** How often events were lost. */
  #losses = 0;
  #recovering = false;
  #closed = false;

  constructor(options: WatchOptions) {
    this.#options = options;
    this.#files = new ChangedFiles({
      settle: options.settle,
      wanted: (path) => options.wanted(path, false),
      onLook: (path, stats) => this.#looked(path, stats),
      onSettled: options.onSettled,
      onManyFolders: () => options.onRescan('overflow'),
      onOverflow: () => void this.#recover(),
    });
    this.#stopListening = onLostEvents(() => void this.#recover());
  }

  async start(): Promise<void> {
    await this.#checkRoot('start');
    if (this.#closed) return;
    const { rescan, retry = 60_000 } = this.#options;
    this.#timers.push(
      setInterval(() => void this.#checkRoot('root'), checkRootEveryMs),
      setInterval(() => void this.#rescan(), Math.min(rescan, longestTimerMs)),
      setInterval(() => void this.#retry(), retry),
    );
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#stopListening();
    for (const timer of this.#timers) clearInterval(timer);
    const filesClosed = this.#files.close();
    this.#tree?.close();
    await this.#checking;
    await filesClosed;
  }

  /** Checks that the root exists and is the one that is watched; if not, begins again. */
  #checkRoot(why: 'start' | 'root'): Promise<void> {
    this.#checking ??= this.#followRoot(why).finally(() => {
      this.#checking = undefined;
    });
    return this.#checking;
  }

  async #followRoot(why: 'start' | 'root'): Promise<void> {
    const { settle, wanted, onRescan } = this.#options;
    const root = await findRoot(this.#options.root);
    if (this.#closed || (root !== undefined && root.identity === this.#root?.identity)) return;
    const pollMs = root && (await this.#pollTime(root.folder));
    if (this.#closed) return;
    this.#root = root;
    this.#tree?.close();
    this.#tree = undefined;
    this.#files.begin(root);
    this.#unwatched.clear();
    if (root === undefined) return this.#reportState();
    const poller = pollMs === undefined ? undefined : new Poller(pollMs);
    this.#polls = poller !== undefined;
    const tree = new FolderTree({
      root: root.folder,
      watch: (folder, events) => poller?.watch(folder, events) ?? watchOne(folder, events),
      wanted: (folder) => root.only === undefined && !isReserved(folder) && wanted(folder, true),
      onEvent: (path) => this.#files.report(path, true),
      fresh: settle + clockErrorMs,
      onFound: (path) => this.#files.report(path, false),
      onRoot: () => void this.#checkRoot('root'),
      onError: (folder, error) => this.#failed(folder, error),
    });
    this.#tree = tree;
    await this.#setUp(() => tree.add('', root.stats, 'fresh'));
    if (!this.#closed) onRescan(why);
  }

  /** How often the folders below the root are polled; undefined where there are events. */
  async #pollTime(folder: string): Promise<number | undefined> {
    const { poll } = this.#options;
    this.#fileSystem = poll === undefined ? await eventlessFileSystem(folder) : undefined;
    return this.#fileSystem === undefined ? poll : pollEveryMs;
  }

  /** A path was looked at: it may be a folder that needs a watch, or was one. */
  #looked(path: string, stats: Stats | undefined): void {
    if (!stats?.isDirectory()) this.#tree?.drop(path);
    else if (
      !this.#tree?.has(path, stats) &&
      this.#root?.only === undefined &&
      this.#options.wanted(path, true)
    )
      void this.#tree?.add(path, stats, 'all');
  }

  /** Events were lost, so new folders may have been missed as well. */
  async #recover(): Promise<void> {
    this.#losses++;
    if (this.#recovering || this.#root === undefined) return;
    this.#recovering = true;
    for (let before = -1; before !== this.#losses; ) {
      before = this.#losses;
      await this.#refresh('fresh');
    }
    this.#recovering = false;
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
    // changes in folders that had no watch were not seen
    if (!this.#closed && this.#unwatched.size < before) this.#options.onRescan('error');
  }

  #refresh(files: ReportedFiles): Promise<void> {
    this.#unwatched.clear();
    return this.#setUp(async () => this.#tree?.refresh(files));
  }

  async #setUp(work: () => Promise<void>): Promise<void> {
    this.#settingUp++;
    await work();
    this.#settingUp--;
    this.#reportState();
  }

  #failed(folder: string, error: NodeJS.ErrnoException): void {
    if (this.#closed) return;
    const first = this.#unwatched.size === 0;
    this.#unwatched.set(folder, error);
    if (this.#settingUp > 0) return;
    this.#reportState();
    if (first) this.#options.onRescan('error');
  }

  #reportState(): void {
    if (this.#closed || this.#settingUp > 0) return;
    const degraded = this.#whyDegraded();
    const state = degraded !== undefined ? 'degraded' : this.#polls ? 'polling' : 'watching';
    const why = degraded ?? (this.#polls ? this.#fileSystem : undefined);
    const reported = `${state} ${why}`;
    if (reported === this.#reportedState) return;
    this.#reportedState = reported;
    if (why === undefined) this.#options.onState(state);
    else this.#options.onState(state, why);
  }

  #whyDegraded(): string | undefined {
    if (this.#root === undefined) return noRoot(this.#options.root);
    const [first] = this.#unwatched;
    return first && unwatched(first[0] === '' ? this.#options.root : first[0], first[1]);
  }
}
