/**
 * The folders of a local side, reached from its root one segment at a time and through no link: a folder
 * that is exchanged for a link meanwhile leads nowhere else. On Linux each folder in hand is an open
 * handle, and what is in it is reached through that, as /proc/PID/fd/N/NAME. Where there is no such
 * path, each folder on the way is looked at before its text is used.
 */
import fs, { constants } from 'node:fs';
import { nameOf, parentOf } from '../../core/entry.js';
import { QuietWay } from './quiet-way.js';

/** Folders kept open; the one that was opened first is closed for a further one. */
const mostKept = 256;
/** A folder is opened anew after this many milliseconds, so that one that was moved away is not followed for long. */
const keptForMs = 100;

/** Linux's O_PATH, which Node has no name for: the handle is a place only, and needs no permission to read. */
const pathOnly = 0o10000000;

/** Where the open handles of this process are paths; undefined where they are not. */
export const fdPaths: string | undefined = process.platform === 'linux' ? findFdPaths() : undefined;

/** For a handle on a folder; a link in its last segment is followed only with `linkedFolderFlags`. */
const linkedFolderFlags = constants.O_DIRECTORY | (fdPaths === undefined ? 0 : pathOnly);
const folderFlags = linkedFolderFlags | constants.O_NOFOLLOW;
/** For a handle on whatever has a name, a link included. */
export const anythingFlags = pathOnly | constants.O_NOFOLLOW;

/** A folder in hand: a path to something in it is `prefix` and the name. */
export interface Folder {
  readonly prefix: string;
}

/** Runs `operation` with a real path of what is at a relative path, good until its promise settles. Errors are FerryErrors with the relative path. */
export type Reach = <T>(
  path: string,
  signal: AbortSignal,
  operation: (real: string) => Promise<T>,
) => Promise<T>;

/** A root for another thread. */
export interface RootAt {
  readonly at: string;
  readonly text: string;
}

interface Held extends Folder {
  /** Undefined where handles are no paths. */
  readonly fd: number | undefined;
  readonly openedAt: number;
  /** Calls that use it: it is closed after the last one. */
  users: number;
  /** Whether it is no longer kept. */
  dropped: boolean;
}

/** Opens a path with flags and a mode. */
type Open = (path: string, flags: number, mode: number) => Promise<number>;

export class FolderHandles {
  readonly #rootAt: string;
  readonly #text: string;
  readonly #way = new QuietWay();
  /** By path, in the order in which they were opened; the folders above a kept one are kept, too. */
  readonly #kept = new Map<string, Held>();
  /** Folders that are being opened. */
  readonly #opening = new Map<string, Promise<Folder>>();
  #closed = false;

  /**
   * `rootAt` is an absolute path of the root, which is opened when it is first needed unless `fd` is a
   * handle on it; `text` is its real path.
   */
  constructor(rootAt: string, text: string, fd?: number) {
    this.#rootAt = rootAt;
    this.#text = text;
    if (fd !== undefined) this.give(this.#keep('', { fd, prefix: `${fdPaths}/${fd}/` }, undefined));
  }

  /** A path to the root, good until `close`. */
  rootPath(): string {
    const root = this.take('');
    this.give(root);
    return `${root.prefix}.`;
  }

  /** For another thread: how to reach the same root, good until `close`. */
  forThread(): RootAt {
    return { at: this.rootPath(), text: this.#text };
  }

  /** Lists a folder in hand by its text, if nothing was changed on the way to it meanwhile; else undefined. */
  listQuietly<T>(path: string, folder: Folder, listAt: (prefix: string) => T): T | undefined {
    if (fdPaths === undefined) return undefined;
    const root = this.#text === '/' ? '' : this.#text;
    return this.#way.list(path === '' ? this.#text : `${root}/${path}`, folder.prefix, listAt);
  }

  /** The folder at a relative path, if it is in hand; give it back after use. */
  inHand(path: string): Folder | undefined {
    const folder = this.#kept.get(path);
    if (folder === undefined) return undefined;
    if (path !== '' && performance.now() - folder.openedAt > keptForMs) {
      this.forget(path);
      return undefined;
    }
    folder.users++;
    return folder;
  }

  /** The folder at a relative path, by calls in this thread; throws the system's error, ELOOP for a link. */
  take(path: string): Folder {
    const kept = this.inHand(path);
    if (kept !== undefined) return kept;
    if (path === '') return this.#keep(path, enter(this.#rootAt, fs.openSync), undefined);
    const parent = this.take(parentOf(path)) as Held;
    try {
      return this.#keep(path, enter(parent.prefix + nameOf(path), fs.openSync), parent);
    } finally {
      this.give(parent);
    }
  }

  /** The same by `open`, which may wait for the disk; calls for one folder at a time share one. */
  async takeBy(open: Open, path: string): Promise<Folder> {
    for (;;) {
      const kept = this.inHand(path);
      if (kept !== undefined) return kept;
      const opening = this.#opening.get(path);
      if (opening === undefined) break;
      await opening.catch(() => {}); // its own caller gets the error
    }
    const opening = this.#openBy(open, path);
    this.#opening.set(path, opening);
    try {
      return await opening;
    } finally {
      this.#opening.delete(path);
    }
  }

  async #openBy(open: Open, path: string): Promise<Folder> {
    if (path === '') return this.#keep(path, await enterBy(this.#rootAt, open), undefined);
    const parent = (await this.takeBy(open, parentOf(path))) as Held;
    try {
      return this.#keep(path, await enterBy(parent.prefix + nameOf(path), open), parent);
    } finally {
      this.give(parent);
    }
  }

  /** Gives a folder back. */
  give(folder: Folder): void {
    const held = folder as Held;
    held.users--;
    if (held.dropped) closeUnused(held);
  }

  /** Something else may be at `path` now: it and what is below it are opened anew when they are needed. */
  forget(path: string): void {
    if (path === '' || !this.#kept.has(path)) return;
    const below = `${path}/`;
    for (const [at, held] of this.#kept)
      if (at === path || at.startsWith(below)) this.#drop(at, held);
  }

  /** Keeps only what is in use, when too many files are open; returns whether that helped. */
  keepLess(): boolean {
    let helped = false;
    for (const [at, held] of this.#kept)
      if (at !== '' && held.users === 0) {
        this.#drop(at, held);
        helped = true;
      }
    return helped;
  }

  /** Closes every folder once nobody uses it. */
  close(): void {
    this.#closed = true;
    for (const [at, held] of this.#kept) this.#drop(at, held);
  }

  #keep(path: string, entered: Entered, parent: Held | undefined): Held {
    const kept = this.#kept.get(path);
    if (kept !== undefined) {
      // another call has opened it meanwhile
      if (entered.fd !== undefined) fs.closeSync(entered.fd);
      kept.users++;
      return kept;
    }
    // below a folder that is no longer kept, it serves one call
    const dropped = this.#closed || parent?.dropped === true;
    const held: Held = { ...entered, openedAt: performance.now(), users: 1, dropped };
    if (dropped) return held;
    this.#kept.set(path, held);
    if (this.#kept.size > mostKept) this.#makeRoom();
    return held;
  }

  #makeRoom(): void {
    for (const at of this.#kept.keys())
      if (at !== '') {
        this.forget(at);
        return;
      }
  }

  #drop(path: string, held: Held): void {
    this.#kept.delete(path);
    held.dropped = true;
    closeUnused(held);
  }
}

/** Opens a handle on a folder, links followed. */
export function openFolder(path: string): Promise<number> {
  return new Promise((resolve, reject) => {
    fs.open(path, linkedFolderFlags, (error, fd) => (error ? reject(error) : resolve(fd)));
  });
}

interface Entered extends Folder {
  readonly fd: number | undefined;
}

function enter(at: string, open: typeof fs.openSync): Entered {
  try {
    return entered(at, fdPaths === undefined ? undefined : open(at, folderFlags, 0));
  } catch (error) {
    throw named(error, at);
  }
}

async function enterBy(at: string, open: Open): Promise<Entered> {
  try {
    return entered(at, fdPaths === undefined ? undefined : await open(at, folderFlags, 0));
  } catch (error) {
    throw named(error, at);
  }
}

function entered(at: string, fd: number | undefined): Entered {
  if (fd !== undefined) return { fd, prefix: `${fdPaths}/${fd}/` };
  if (!fs.lstatSync(at).isDirectory()) throw Object.assign(new Error(), { code: 'ENOTDIR' });
  return { fd, prefix: at.endsWith('/') ? at : `${at}/` };
}

/** Linux says ENOTDIR of a link, too, if a folder is asked for. */
function named(error: unknown, at: string): unknown {
  if ((error as NodeJS.ErrnoException).code !== 'ENOTDIR') return error;
  const isLink = fs.lstatSync(at, { throwIfNoEntry: false })?.isSymbolicLink() === true;
  return isLink ? Object.assign(new Error(), { code: 'ELOOP' }) : error;
}

function closeUnused({ users, fd }: Held): void {
  if (users === 0 && fd !== undefined) fs.closeSync(fd);
}

/** The process's own folder is named by number: that saves a link on the way, for each call. */
function findFdPaths(): string | undefined {
  try {
    const path = `/proc/${fs.readlinkSync('/proc/self')}/fd`;
    const fd = fs.openSync('/', pathOnly | constants.O_DIRECTORY);
    try {
      const [here, there] = [fs.fstatSync(fd), fs.statSync(`${path}/${fd}/.`)];
      return here.ino === there.ino && here.dev === there.dev ? path : undefined;
    } finally {
      fs.closeSync(fd);
    }
  } catch {
    return undefined;
  }
}
