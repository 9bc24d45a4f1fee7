/** Removes entries for good, or moves them to the trash. */
import { FerryError } from '../../../core/errors.js';
import type { Endpoint } from '../../../endpoints/endpoint.js';
import type { OldFiles } from '../copy/copy-context.js';

export interface Remover {
  /** Removes a file or link. `from` is its current path, `path` its path in the trash. */
  file(from: string, path: string): Promise<void>;
  /** Removes a folder if it is empty; resolves to whether it is gone. */
  folder(path: string): Promise<boolean>;
}

export function createRemover(
  side: Endpoint,
  trash: OldFiles | undefined,
  signal: AbortSignal,
): Remover {
  return {
    async file(from, path) {
      if (trash === undefined) await side.remove(from, signal);
      else await trash.take(from, path);
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
