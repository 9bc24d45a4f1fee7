/** Makes folders below a place that a user has named, which may be anywhere. */
import { mkdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';

/**
 * Creates a folder (0700) and the missing ones above it; one that exists is left as it is. Node's own
 * recursive mkdir never ends where the system makes no folders, as in /proc. Rejects with the system's error.
 */
export async function makeFolder(folder: string): Promise<void> {
  if (await made(folder)) return;
  const above = dirname(folder);
  await makeFolder(above);
  // with a folder above it, only a place such as /proc still has none
  if (await made(folder)) return;
  throw Object.assign(new Error(`the system makes no folders in ${above}`), { code: 'ENOENT' });
}

/** Does what needs a folder, which is made if it turns out to be missing: mostly it is there. Rejects with the system's error. */
export async function inFolder<T>(folder: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  await makeFolder(folder);
  return work();
}

/** Makes a folder if it is missing; false where the one above it is missing. */
async function made(folder: string): Promise<boolean> {
  try {
    await mkdir(folder, { mode: 0o700 });
  } catch (error) {
    if (await isFolder(folder)) return true;
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || dirname(folder) === folder)
      throw error;
    return false;
  }
  return true;
}

async function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (there) => there.isDirectory(),
    () => false,
  );
}
