/**
 * Lists one local folder by synchronous calls, in this thread or in that of list-worker.ts. A listing
 * is passed between threads as flat arrays, which costs a fraction of what objects do.
 */
import { lstatSync, readdirSync, type Stats } from 'node:fs';
import type { Entry, Kind, Stat } from '../../core/entry.js';
import { Listed } from '../listed.js';
import type { FolderHandles } from './folder-handles.js';

export interface FlatListing {
  /** Joined with NUL, which no name can contain. */
  readonly names: string;
  /** Four numbers for each entry: kind, size, mtime, mode. */
  readonly numbers: Float64Array;
}

const kinds: readonly Kind[] = ['file', 'folder', 'link', 'special'];
/** In place of an index into `kinds`: an entry that can't be carried over. */
const unusableKind = 4;

function kindOf(stats: Stats): Kind {
  if (stats.isFile()) return 'file';
  if (stats.isDirectory()) return 'folder';
  return stats.isSymbolicLink() ? 'link' : 'special';
}

/** Node's stats as a Stat; device, inode and change time become its identity. */
export function toStat(stats: Stats): Stat {
  return {
    kind: kindOf(stats),
    size: stats.size,
    mtime: stats.mtimeMs / 1000,
    mode: stats.mode & 0o7777,
    identity: `${stats.dev}:${stats.ino}:${stats.ctimeMs}`,
    device: stats.dev,
    inode: stats.ino,
    born: stats.birthtimeMs,
  };
}

/** Below this many entries, the look at the way to a folder costs more than it saves. */
const fewEntries = 16;

/** Lists the folder at a relative path; throws the system's error. An entry that disappears meanwhile is left out. */
export function listFlat(folders: FolderHandles, path: string): FlatListing {
  const folder = folders.take(path);
  try {
    const names = readdirSync(folder.prefix);
    const lookAt = (prefix: string) => lookAtEach(names, prefix);
    const quick = names.length < fewEntries ? undefined : folders.listQuietly(path, folder, lookAt);
    return quick ?? lookAt(folder.prefix);
  } finally {
    folders.give(folder);
  }
}

function lookAtEach(found: readonly string[], prefix: string): FlatListing {
  const names: string[] = [];
  const numbers = new Float64Array(found.length * 4);
  for (const name of found) {
    const at = names.length * 4;
    const stats = lstatSync(prefix + name, { throwIfNoEntry: false });
    if (stats !== undefined) {
      numbers[at] = kinds.indexOf(kindOf(stats));
      numbers[at + 1] = stats.size;
      numbers[at + 2] = stats.mtimeMs / 1000;
      numbers[at + 3] = stats.mode & 0o7777;
    } else if (name.includes('\ufffd')) numbers[at] = unusableKind;
    else continue;
    names.push(name);
  }
  return { names: names.join('\0'), numbers };
}

export function toEntries(flat: FlatListing): Entry[] {
  if (flat.names === '') return [];
  const { numbers } = flat;
  return flat.names.split('\0').map((name, i): Entry => {
    const at = i * 4;
    const kind = kinds[numbers[at] as number];
    const size = numbers[at + 1];
    const mtime = numbers[at + 2];
    const mode = numbers[at + 3] as number;
    return kind === undefined
      ? { name, kind: 'special', size, mtime, mode, problem: 'its name is not valid UTF-8' }
      : new Listed(name, kind, size, mtime, mode);
  });
}
