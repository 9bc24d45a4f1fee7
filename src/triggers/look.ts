/** What a watch sees of the file system: the root, a file's state, and which names are not its affair. */
import type { Stats } from 'node:fs';
import { realpath, stat } from 'node:fs/promises';
import { isOurs, nameOf, reservedFolder } from '../core/entry.js';
import type { Look } from './settle.js';

/** The folder that a root's path leads to; undefined when there is none. */
export async function rootAt(root: string): Promise<{ path: string; stats: Stats } | undefined> {
  try {
    const path = await realpath(root);
    const stats = await stat(path);
    return stats.isDirectory() ? { path, stats } : undefined;
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
