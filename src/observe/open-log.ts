/** Opens a file of the state folder that may not exist. */
import { type FileHandle, open } from 'node:fs/promises';
import { FerryError } from '../core/errors.js';

/** The file, for reading; undefined where there is none. Errors: `io`. */
export async function openIfThere(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, 'r');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return undefined;
    throw new FerryError('io', `the log can't be read: ${message}`, { path, cause: error });
  }
}
