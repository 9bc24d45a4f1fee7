/**
 * Watches one folder with chokidar, without the folders below it.
 *
 * Each folder has a watcher of its own, whose `ready` says that the system's watch is on: entries
 * listed after that can't be missed. (A recursive chokidar lists a new folder before it watches it,
 * so a change in between is lost until the next one; chokidar issue 1112. It also keeps watching the
 * old folder when another one has taken its place.) Only `raw` is used, the system's own events:
 * chokidar's events would cost a watch for each file.
 */
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { FSWatcher } from 'chokidar';

export interface FolderEvents {
  /** Something happened to the entry of this name; undefined: to an unknown entry. */
  readonly entry: (name: string | undefined) => void;
  /** The folder itself may have been removed, moved or replaced. */
  readonly itself: () => void;
  /** The folder can't be watched. */
  readonly error: (error: NodeJS.ErrnoException) => void;
}

export interface FolderWatch {
  /** Resolves when the watch is on or has failed. */
  readonly on: Promise<void>;
  close(): void;
}

/**
 * A watcher that lists nothing. Chokidar lists a folder after each event in it, to find out what
 * happened: with a thousand files and a growing log, that alone keeps a core busy. If a later
 * chokidar lists in another way, that costs time again but changes nothing else.
 */
class Unlisting extends FSWatcher {
  override _readdirp(): undefined {}
}

/** Watches an absolute, normal path. */
export function watchOne(folder: string, events: FolderEvents): FolderWatch {
  if (folder.includes('\\')) {
    // chokidar reads a backslash as a slash, on every system
    queueMicrotask(() => events.error(new Error("a name with a backslash can't be watched")));
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
    // the folder's own name means the folder itself, or an entry of the same name
    if (event === 'rename' && name === own) events.itself();
    events.entry(name ?? undefined);
  });
  watcher.on('error', (error) => events.error(error as NodeJS.ErrnoException));
  let resolveOn = () => {};
  const on = new Promise<void>((resolve) => {
    resolveOn = resolve;
    watcher.on('ready', resolve);
  });
  return {
    on,
    close() {
      resolveOn();
      void watcher.close();
      watcher.on('error', () => {}); // of a listing that has not ended
    },
  };
}

const lossListeners = new Set<() => void>();
/** Events in this turn of the event loop. */
let burst = 0;
let mostQueued: number | undefined;

/**
 * Calls `lost` when the system has probably dropped events. Linux keeps the events that a process
 * has not read yet in one queue of limited length (inotify(7): max_queued_events). Node does not
 * report its overflow, but then reads the whole queue in one turn of the event loop. Returns a
 * function that removes the listener.
 */
export function onLostEvents(lost: () => void): () => void {
  lossListeners.add(lost);
  return () => lossListeners.delete(lost);
}

function countEvent(): void {
  burst++;
  if (burst > 1) return;
  setImmediate(() => {
    mostQueued ??= queueLength();
    const lost = burst >= mostQueued * 0.9;
    burst = 0;
    if (lost) for (const listener of lossListeners) listener();
  });
}

function queueLength(): number {
  try {
    return Number(readFileSync('/proc/sys/fs/inotify/max_queued_events', 'utf8'));
  } catch {
    return 16_384; // not Linux: take its default
  }
}
