/** What a watch reads from the file system: its root, the state of a file, and which names it ignores. */
import type { Stats } from 'node:fs';
import { realpath, stat } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { isOurs, nameOf, reservedFolder } from '../../core/entry.js';
import type { FileState } from './settle.js';

/** What the path of a watch leads to. */
export interface WatchRoot {
  /** The folder, resolved. */
  readonly folder: string;
  readonly stats: Stats;
  /** When the path leads to a file: its name in that folder, the only name that counts. */
  readonly only: string | undefined;
  /** Differs for another folder or file at the same path. */
  readonly identity: string;
}

/** Undefined when nothing that can be watched exists there. */
export async function findRoot(path: string): Promise<WatchRoot | undefined> {
  try {
    const resolved = await realpath(path);
    const stats = await stat(resolved);
    if (stats.isDirectory()) return rootAt(resolved, stats, undefined);
    const folder = dirname(resolved);
    return rootAt(folder, await stat(folder), basename(resolved));
  } catch {
    return undefined;
  }
}

function rootAt(folder: string, stats: Stats, only: string | undefined): WatchRoot {
  return { folder, stats, only, identity: `${folder}/${only ?? ''}:${folderIdentity(stats)}` };
}

/** Differs for another folder of the same name. Where the file system keeps no time of birth, only the inode differs. */
export function folderIdentity({ dev, ino, birthtimeMs }: Stats): string {
  return `${dev}:${ino}:${birthtimeMs}`;
}

export function fileStateOf({ size, mtimeMs, ctimeMs, ino }: Stats): FileState {
  const now = Date.now();
  const newest = mtimeMs > ctimeMs && mtimeMs <= now ? mtimeMs : ctimeMs;
  return { size, mtimeMs, ctimeMs, ino, age: now - newest };
}

/** What ferryline keeps for itself never starts a run. */
export function isReserved(path: string): boolean {
  return path === reservedFolder || isOurs(nameOf(path));
}
