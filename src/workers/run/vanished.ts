/**
 * Source files that are removed between the scan and their copy: a busy folder has some in every run.
 * Such a file is no failure, but only if it is proven gone: its folder answers, and does not have it.
 */
import { parentOf } from '../../core/entry.js';
import { asFerryError, endsRun, FerryError } from '../../core/errors.js';
import type { Endpoint } from '../../endpoints/endpoint.js';

/** Thrown for a source file that is proven gone. */
export class Vanished extends Error {
  /** Bytes that the plan counted for it. */
  readonly bytes: number;

  constructor(bytes: number) {
    super('the source file has vanished');
    this.name = 'Vanished';
    this.bytes = bytes;
  }
}

/** ESTALE: NFS reports it for an open file that was removed. */
const missingCodes: ReadonlySet<string | undefined> = new Set(['ENOENT', 'ENOTDIR', 'ESTALE']);

/** Whether an error may mean that the source has no entry at `path` any more. */
export function mayBeGone(error: unknown, path: string): boolean {
  return (
    error instanceof FerryError &&
    missingCodes.has(error.code) &&
    (error.path === undefined || error.path === path)
  );
}

/** Whether the source has nothing at `path`, and its folder exists: a folder that is gone or can't be read proves nothing. */
export async function provenGone(
  source: Endpoint,
  path: string,
  signal: AbortSignal,
): Promise<boolean> {
  try {
    if ((await source.stat(path, signal)) !== undefined) return false;
    return (await source.stat(parentOf(path), signal))?.kind === 'folder';
  } catch (error) {
    signal.throwIfAborted();
    if (endsRun(asFerryError(error).kind)) throw error;
    return false;
  }
}
