/** Removes temporary files that earlier runs left at the destination, found by the scan. */
import { nameOf } from '../../../core/entry.js';
import type { Endpoint } from '../../../endpoints/endpoint.js';
import { readTemporary } from './temporary-names.js';

/** Milliseconds after which a temporary file counts as abandoned and is removed. */
const abandonedAfterMs = 24 * 3600 * 1000;

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
