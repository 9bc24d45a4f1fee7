/**
 * One folder under chokidar's eyes, without what is in the folders below it.
 *
 * Each folder has a watcher of its own, for which `ready` says that the system's watch is on: what
 * is listed after that is not missed. (A recursive chokidar lists a new folder first and watches it
 * then, so that what comes in between is lost until the next change; chokidar issue 1112. It also
 * keeps watching the old folder when another one has taken its place.) Only `raw` is heard, the
 * system's own words: chokidar's events would cost a watch for each file.
 */
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { FSWatcher } from 'chokidar';

export interface FolderEvents {
  /** Something happened to the entry of this name; undefined: to some entry. */
  readonly entry: (name: string | undefined) => void;
  /** The folder itself may have been removed, moved or replaced. */
  readonly itself: () => void;
  /** The folder can't be watched. */
  readonly error: (error: NodeJS.ErrnoException) => void;
}

export interface FolderWatch {
  /** Resolves when the watch is on, or can't be put on. */
  readonly on: Promise<void>;
  close(): void;
}

/**
 * A watcher that lists nothing. Chokidar lists a folder at each event in it, to find out what
 * happened: with a thousand files and a log that grows, that alone keeps a core busy. If a later
 * chokidar lists in another way, that costs time again and changes nothing else.
 */
class Unlisting extends FSWatcher {
  override _readdirp(): undefined {}
}

/** Watches an absolute, normal path. */
export function watchOne(folder: string, events: FolderEvents): FolderWatch {
  if (folder.includes('\\')) {
    // chokidar reads a backslash as a slash, on every system
    queueMicrotask(() => events.error(new Error('a name with a backslash can not be watched')));
    return { on: Promise.resolve(), close() {} };
  }
  const watcher = new Unlisting({
    depth: 0,
    ignoreInitial: true,
    atomic: false,
    followSymlinks: false,
    ignored: (path) => path !== folder,
  });
  watcher.add(folder);
  const own = basename(folder);
  watcher.on('raw', (event, name: string | null) => {
    countEvent();
    // the system gives the folder's own name when it tells of the folder, or of an entry named like it
    if (event === 'rename' && name === own) events.itself();
    events.entry(name ?? undefined);
  });
  watcher.on('error', (error) => events.error(error as NodeJS.ErrnoException));
  const { promise, resolve } = withResolvers();
  watcher.on('ready', resolve);
  return {
    on: promise,
    close() {
      resolve();
      void watcher.close();
      watcher.on('error', () => {}); // of a listing that was still going on
    },
  };
}

function withResolvers(): { readonly promise: Promise<void>; readonly resolve: () => void } {
  let resolve = () => {};
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}

/** Whom it concerns that events were lost. */
const losers = new Set<() => void>();
/** Events of this turn of the event loop. */
let burst = 0;
let mostQueued: number | undefined;

/**
 * Calls `lost` when the system has probably dropped events. Linux keeps what the process has not
 * read yet in one queue of limited length (inotify(7): max_queued_events) and Node does not pass
 * on that it overflowed; but then the whole queue is read in one turn of the event loop.
 * Returns what ends the calls.
 */
export function onLostEvents(lost: () => void): () => void {
  losers.add(lost);
  return () => losers.delete(lost);
}

function countEvent(): void {
  burst++;
  if (burst > 1) return;
  setImmediate(() => {
    mostQueued ??= queueLength();
    const lost = burst >= mostQueued * 0.9;
    burst = 0;
    if (lost) for (const loser of losers) loser();
  });
}

function queueLength(): number {
  try {
    return Number(readFileSync('/proc/sys/fs/inotify/max_queued_events', 'utf8'));
  } catch {
    return 16_384; // not Linux; the default there
  }
}
