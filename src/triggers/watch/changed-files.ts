/**
 * The files below a watch's root that something happened to: looks at each until it has come to rest
 * (settle.ts), and reports their folders. watch.ts supplies the events.
 */
import type { Stats } from 'node:fs';
import { lstat } from 'node:fs/promises';
import { parentOf } from '../../core/entry.js';
import { fileStateOf, isReserved, type WatchRoot } from './file-state.js';
import { Settle } from './settle.js';

export interface ChangedFilesOptions {
  /** For how long a file must not change, ms. */
  readonly settle: number;
  /** Whether a file below the root is in scope. */
  readonly wanted: (path: string) => boolean;
  /** Called for each path that was looked at; undefined when nothing exists there. */
  readonly onLook: (path: string, stats: Stats | undefined) => void;
  /** Folders below the root, sorted, in which files have come to rest since the last call. */
  readonly onSettled: (folders: readonly string[]) => void;
  /** Files came to rest in more folders than are worth naming. */
  readonly onManyFolders: () => void;
  /** More paths were reported than can be kept; some were forgotten. */
  readonly onOverflow: () => void;
}

/** Between two calls of `onSettled`, so that many files make few calls. */
const reportEveryMs = 100;
const looksAtOnce = 256;
/** Paths that may wait for their first look; for more, looking at the whole tree is cheaper. */
const mostPaths = 50_000;
/** Folders in one call of `onSettled`; for more, looking at the whole tree is cheaper. */
const mostFolders = 1000;

export class ChangedFiles {
  readonly #options: ChangedFilesOptions;
  readonly #settle: Settle;
  #root: WatchRoot | undefined;
  /** Paths to look at, and whether an event reported them. */
  readonly #reported = new Map<string, boolean>();
  #overflowed = false;
  #looking: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** When `#timer` fires. */
  #timerAt = Number.POSITIVE_INFINITY;
  /** When `onSettled` was last called. */
  #settledAt = Number.NEGATIVE_INFINITY;
  #closed = false;

  constructor(options: ChangedFilesOptions) {
    this.#options = options;
    this.#settle = new Settle(options.settle);
  }

  /** Forgets all files; the next ones are below this root. */
  begin(root: WatchRoot | undefined): void {
    this.#root = root;
    this.#reported.clear();
    this.#settle.clear();
  }

  /** Looks at a path soon: because of an event, or because it was found in a folder. */
  report(path: string, isEvent: boolean): void {
    const only = this.#root?.only;
    if (this.#closed || isReserved(path) || (only !== undefined && path !== only)) return;
    const again = isEvent ? this.#settle.noteEvent(path, performance.now()) : undefined;
    if (again !== undefined) this.#wakeAt(again);
    else if (this.#reported.size >= mostPaths) this.#overflowed = true;
    else {
      this.#reported.set(path, isEvent || this.#reported.get(path) === true);
      void this.#look();
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#looking;
  }

  /** Looks again at that time, but not too soon after the last call of `onSettled`. */
  #wakeAt(due: number): void {
    const at = Math.max(due, this.#settledAt + reportEveryMs);
    if (at >= this.#timerAt) return;
    clearTimeout(this.#timer);
    this.#timerAt = at;
    const wake = () => {
      this.#timerAt = Number.POSITIVE_INFINITY;
      void this.#look();
    };
    this.#timer = setTimeout(wake, at - performance.now());
  }

  /** Looks at the reported paths and those that are due, and reports what has come to rest. One look at a time. */
  #look(): Promise<void> {
    this.#looking ??= this.#lookOnce().finally(() => {
      this.#looking = undefined;
      if (this.#reported.size > 0) void this.#look();
    });
    return this.#looking;
  }

  async #lookOnce(): Promise<void> {
    await new Promise((next) => setImmediate(next)); // events come in bursts
    const paths = [...this.#reported];
    this.#reported.clear();
    const now = performance.now();
    const mayReport = now >= this.#settledAt + reportEveryMs;
    if (mayReport) for (const path of this.#settle.due(now).paths) paths.push([path, false]);
    for (let i = 0; i < paths.length && !this.#closed; i += looksAtOnce)
      await Promise.all(
        paths.slice(i, i + looksAtOnce).map(async ([path, isEvent]) => {
          const stats = await lstat(`${this.#root?.folder}/${path}`).catch(() => undefined);
          if (!this.#closed) this.#saw(path, stats, isEvent);
        }),
      );
    if (this.#closed) return;
    if (this.#settle.overflow() || this.#overflowed) {
      this.#overflowed = false;
      this.#options.onOverflow();
    }
    if (mayReport) this.#reportSettled();
    const { paths: due, next } = this.#settle.due(performance.now());
    if (due.length > 0) this.#wakeAt(performance.now());
    else if (next !== undefined) this.#wakeAt(next);
  }

  #saw(path: string, stats: Stats | undefined, isEvent: boolean): void {
    this.#options.onLook(path, stats);
    const isFile = stats?.isFile() || stats?.isSymbolicLink();
    const state =
      stats === undefined || !isFile || !this.#options.wanted(path)
        ? undefined
        : fileStateOf(stats);
    this.#settle.look(path, state, performance.now(), isEvent);
  }

  #reportSettled(): void {
    const folders = new Set(this.#settle.ready().map(parentOf));
    if (folders.size === 0) return;
    this.#settledAt = performance.now();
    if (folders.size > mostFolders) this.#options.onManyFolders();
    else this.#options.onSettled([...folders].sort());
  }
}
