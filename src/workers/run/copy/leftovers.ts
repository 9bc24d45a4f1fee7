/** What earlier runs left behind at the destination, found by the scan: put back, or cleared away. */
import { join, nameOf, parentOf } from '../../../core/entry.js';
import type { Endpoint } from '../../../endpoints/endpoint.js';
import { readTemporary } from './temporary-names.js';

/** Milliseconds after which a temporary file is nobody's any more. */
const abandoned = 24 * 3600 * 1000;

const aside = /^\.(.*)\.[0-9a-f]{16}\.ferryold$/s;

/**
 * Settles old files that were set aside while their new one came: put back where the final name
 * is empty, removed where it stands. Resolves to whether anything was put back, which makes the
 * scan out of date.
 */
export async function recoverAside(
  side: Endpoint,
  leftovers: readonly string[],
  signal: AbortSignal,
): Promise<boolean> {
  let changed = false;
  for (const path of leftovers) {
    const name = aside.exec(nameOf(path))?.[1];
    // what isn't a name was never set aside by us, whatever it looks like
    if (name === undefined || name === '' || name === '.' || name === '..') continue;
    // a long name stands there as its hash: what it was can't be told, so it stays where it is
    if (/^[0-9a-f]{32}$/.test(name)) continue;
    const final = join(parentOf(path), name);
    if ((await side.stat(final, signal)) === undefined) {
      await side.rename(path, final, false, signal);
      changed = true;
    } else if ((await side.stat(path, signal))?.kind === 'file') await side.remove(path, signal);
  }
  return changed;
}

/** Removes temporary files whose writer started long ago; which is told by their name, since their mtime is the source's. */
export async function reapOld(
  side: Endpoint,
  leftovers: readonly string[],
  now: number,
  signal: AbortSignal,
): Promise<void> {
  for (const path of leftovers) {
    const start = readTemporary(nameOf(path))?.start;
    if (start !== undefined && start < now - abandoned)
      await side.remove(path, signal).catch(() => {}); // claimed, or gone already
  }
}
