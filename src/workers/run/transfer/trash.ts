/** Removes entries for good, or moves them to the trash, `TRASH/RUN/path`, which is pruned after `keep`. */
import { join, parentOf } from '../../../core/entry.js';
import { FerryError } from '../../../core/errors.js';
import type { TrashRules } from '../../../core/job.js';
import { runTime } from '../../../core/run-id.js';
import type { Endpoint } from '../../../endpoints/endpoint.js';

/** Makes a folder and its missing parents; does nothing if the folder exists. `known` remembers the folders made. */
export async function makeFolders(
  side: Endpoint,
  path: string,
  known: Map<string, Promise<void>>,
  signal: AbortSignal,
): Promise<void> {
  if (path === '') return;
  let made = known.get(path);
  if (made === undefined) {
    made = makeFolders(side, parentOf(path), known, signal).then(() =>
      side.mkdir(path, 0o777, signal).catch((error) => {
        if (!(error instanceof FerryError && error.code === 'EEXIST')) throw error;
      }),
    );
    known.set(path, made);
  }
  await made;
}

export interface Remover {
  /** Removes a file or link. `from` is its current path, `path` its path in the trash. */
  file(from: string, path: string): Promise<void>;
  /** Removes a folder if it is empty; resolves to whether it is gone. */
  folder(path: string): Promise<boolean>;
}

export function createRemover(
  side: Endpoint,
  trash: TrashRules | undefined,
  run: string,
  signal: AbortSignal,
): Remover {
  const made = new Map<string, Promise<void>>();
  return {
    async file(from, path) {
      if (trash === undefined) {
        await side.remove(from, signal);
        return;
      }
      const target = join(join(trash.dir, run), path);
      await makeFolders(side, parentOf(target), made, signal);
      await side.rename(from, target, false, signal);
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

/** Removes what runs moved to the trash more than `keep` milliseconds ago; `now` is ms since the epoch. */
export async function pruneTrash(
  side: Endpoint,
  trash: TrashRules | undefined,
  now: number,
  signal: AbortSignal,
): Promise<void> {
  if (trash?.keep === undefined) return;
  const { dir, keep } = trash;
  if ((await side.stat(dir, signal)) === undefined) return;
  for (const { name, kind } of await side.list(dir, signal)) {
    const time = runTime(name);
    if (kind === 'folder' && time !== undefined && time < now - keep)
      await removeTree(side, join(dir, name), signal);
  }
}

/** Removes a folder of ferryline's own and its contents; links are removed, not followed. */
async function removeTree(side: Endpoint, path: string, signal: AbortSignal): Promise<void> {
  for (const { name, kind } of await side.list(path, signal)) {
    const below = join(path, name);
    if (kind === 'folder') await removeTree(side, below, signal);
    else await side.remove(below, signal);
  }
  await side.rmdir(path, signal);
}
