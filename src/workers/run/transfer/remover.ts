/** Removes entries for good, or moves them to the trash. */
import { FerryError } from '../../../core/errors.js';
import type { Endpoint } from '../../../endpoints/endpoint.js';
import type { Snapshot } from '../../../jobs/plan/plan.js';
import { agrees, changedThere } from '../copy/agrees.js';
import type { OldFiles } from '../copy/copy-context.js';
import { isStillThere } from './still-there.js';

export interface Remover {
  /**
   * Removes a file or link that still is what was `seen`. `from` is its current path, `path` its path in
   * the trash. Resolves to whether it did: somebody else may have removed it. Another one there is a
   * `changed` error, and is left as it is. With `looks`, or on a side that was seen to lie, what was
   * removed is looked for, and found is an `io` error.
   */
  file(from: string, path: string, seen: Snapshot, looks?: boolean): Promise<boolean>;
  /** Removes a folder if it is empty; resolves to whether it is gone. `looks` as for files. */
  folder(path: string, looks?: boolean): Promise<boolean>;
}

export function createRemover(
  side: Endpoint,
  trash: OldFiles | undefined,
  signal: AbortSignal,
): Remover {
  let hasLied = false;
  /** Looks for what was removed, where it is worth a round trip. */
  const lookFor = async (at: string, seen: Pick<Snapshot, 'kind'>, looks: boolean) => {
    if (side.can.roundTrip === 0 || !(looks || hasLied || side.can.removalsLie)) return;
    const left = await side.stat(at, signal);
    if (left?.kind !== seen.kind || (left.kind !== 'folder' && !agrees(left, seen as Snapshot)))
      return;
    hasLied = true;
    side.can.removalLied?.();
    throw isStillThere(at, 'check the server; with `trash: true` files are moved instead');
  };
  return {
    async file(from, path, seen, looks = false) {
      if (trash !== undefined) {
        await trash.take(from, path, seen);
        return true;
      }
      const now = await side.stat(from, signal);
      if (now === undefined) return false;
      if (!agrees(now, seen)) throw changedThere(path);
      await side.remove(from, signal, (there) => agrees(there, seen));
      await lookFor(from, seen, looks);
      return true;
    },
    async folder(path, looks = false) {
      try {
        await side.rmdir(path, signal);
      } catch (error) {
        // something was added to it since the scan, or the server reports only "failure"
        if (
          error instanceof FerryError &&
          ['ENOTEMPTY', 'EEXIST', 'EFAILURE'].includes(error.code ?? '')
        )
          return false;
        throw error;
      }
      await lookFor(path, { kind: 'folder' }, looks);
      return true;
    },
  };
}
