/** What a watch sees of the file system: the root, a file's state, and which names are not its affair. */
import type { Stats } from 'node:fs';
import { realpath, stat } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { isOurs, nameOf, reservedFolder } from '../../core/entry.js';
import type { Look } from './settle.js';

/** Where a root's path leads. */
export interface Place {
  /** The folder, resolved. */
  readonly folder: string;
  readonly stats: Stats;
  /** When the root is one file: its name in that folder, the only one that counts. */
  readonly only: string | undefined;
}

/** Undefined when nothing that can be watched stands there. */
export async function placeOf(root: string): Promise<Place | undefined> {
  try {
    const path = await realpath(root);
    const stats = await stat(path);
    if (stats.isDirectory()) return { folder: path, stats, only: undefined };
    const folder = dirname(path);
    return { folder, stats: await stat(folder), only: basename(path) };
  } catch {
    return undefined;
  }
}

export function lookOf({ size, mtimeMs, ctimeMs, ino }: Stats): Look {
  const now = Date.now();
  const newest = mtimeMs > ctimeMs && mtimeMs <= now ? mtimeMs : ctimeMs;
  return { size, mtimeMs, ctimeMs, ino, age: now - newest };
}

/** What ferryline keeps for itself never starts a run. */
export function isReserved(path: string): boolean {
  return path === reservedFolder || isOurs(nameOf(path));
}
