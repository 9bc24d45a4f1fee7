/** Removes a file that may be gone already. */
import { unlink } from 'node:fs/promises';

/** Removes a file; one that does not exist is no error. Node's `rm` looks at it twice before. Rejects with the system's error. */
export async function removeFile(path: string): Promise<void> {
  await unlink(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
  });
}
