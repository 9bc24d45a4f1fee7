/** Handles files that earlier runs left at the destination, found by the scan: restores or removes them. */
import { join, nameOf, parentOf } from '../../../core/entry.js';
import type { Endpoint } from '../../../endpoints/endpoint.js';
import type { OldFiles } from './copy-context.js';
import { readTemporary } from './temporary-names.js';

/** Milliseconds after which a temporary file counts as abandoned and is removed. */
const abandonedAfterMs = 24 * 3600 * 1000;

const aside = /^\.(.*)\.[0-9a-f]{16}\.ferryold$/s;

/**
 * Handles old files that were set aside by an interrupted replacement: restores them if the final
 * name is free, moves them to the trash or removes them if it exists. Resolves to whether any was
 * restored, since the scan is then out of date.
 */
export async function recoverAside(
  side: Endpoint,
  leftovers: readonly string[],
  trash: Pick<OldFiles, 'take'> | undefined,
  signal: AbortSignal,
): Promise<boolean> {
  let changed = false;
  for (const path of leftovers) {
    const name = aside.exec(nameOf(path))?.[1];
    // ferryline never sets such a name aside
    if (name === undefined || name === '' || name === '.' || name === '..') continue;
    // a long name is stored as its hash, so the original name is unknown and the file stays
    if (/^[0-9a-f]{32}$/.test(name)) continue;
    const final = join(parentOf(path), name);
    if ((await side.stat(final, signal)) === undefined) {
      await side.rename(path, final, false, signal);
      changed = true;
    } else if ((await side.stat(path, signal))?.kind === 'file') {
      if (trash === undefined) await side.remove(path, signal);
      else await trash.take(path, final);
    }
  }
  return changed;
}

/** Removes temporary files whose run started long ago, according to their name; their mtime is the source's. */
export async function reapOld(
  side: Endpoint,
  leftovers: readonly string[],
  now: number,
  signal: AbortSignal,
): Promise<void> {
  for (const path of leftovers) {
    const start = readTemporary(nameOf(path))?.start;
    if (start !== undefined && start < now - abandonedAfterMs)
      await side.remove(path, signal).catch(() => {}); // claimed or already gone
  }
}
