/** Removes entries for good, or moves them to the trash. */
import { FerryError } from '../../../core/errors.js';
import type { Endpoint } from '../../../endpoints/endpoint.js';
import type { Snapshot } from '../../../jobs/plan/plan.js';
import { agrees, changedThere } from '../copy/agrees.js';
import type { OldFiles } from '../copy/copy-context.js';

export interface Remover {
  /**
   * Removes a file or link that still is what was `seen`. `from` is its current path, `path` its path in
   * the trash. Resolves to whether it did: somebody else may have removed it. Another one there is a
   * `changed` error, and is left as it is.
   */
  file(from: string, path: string, seen: Snapshot): Promise<boolean>;
  /** Removes a folder if it is empty; resolves to whether it is gone. */
  folder(path: string): Promise<boolean>;
}

export function createRemover(
  side: Endpoint,
  trash: OldFiles | undefined,
  signal: AbortSignal,
): Remover {
  return {
    async file(from, path, seen) {
      if (trash !== undefined) {
        await trash.take(from, path, seen);
        return true;
      }
      const now = await side.stat(from, signal);
      if (now === undefined) return false;
      if (!agrees(now, seen)) throw changedThere(path);
      await side.remove(from, signal);
      return true;
    },
    async folder(path) {
      try {
        await side.rmdir(path, signal);
        return true;
      } catch (error) {
        // something was added to it since the scan, or the server reports only "failure"
        if (
          error instanceof FerryError &&
          ['ENOTEMPTY', 'EEXIST', 'EFAILURE'].includes(error.code ?? '')
        )
          return false;
        throw error;
      }
    },
  };
}
