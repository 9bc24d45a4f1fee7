/** The one way to replace a file in the state folder. */
import { randomBytes } from 'node:crypto';
import { link, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { inFolder } from './make-folder.js';

/** A temporary file older than this is what a killed process left, and is removed. */
const leftoverAfterMs = 24 * 60 * 60 * 1000;

const temporaryName = /^\.[0-9a-f]{16}\.new$/;

/** Folders in which this process has looked for leftovers. */
const tidied = new Set<string>();

/**
 * Replaces a file, or makes it, so that a reader sees the old content or the new and nothing in
 * between, even if the process is killed. The file is its owner's alone (0600), and so are folders
 * that had to be made (0700). Rejects with the system's error; the file is then as it was.
 *
 * The text goes to a temporary file beside the final one and is renamed. Its name is random, so that
 * no two processes or calls share one; a call that a kill interrupts leaves it behind, and the first
 * write to that folder by a process a day later removes it.
 *
 * Nothing is flushed to the disk: after a power cut the file may be the old one, or empty on some
 * file systems. Readers therefore treat a file that makes no sense as missing.
 */
export function writeWhole(file: string, text: string): Promise<void> {
  return viaTemporary(file, text, (temporary) => rename(temporary, file));
}

/** Makes a file in the same way; false, and nothing changes, if it exists already. Of several processes at once, one makes it. */
export async function createWhole(file: string, text: string): Promise<boolean> {
  try {
    await viaTemporary(file, text, async (temporary) => {
      await link(temporary, file);
      await rm(temporary);
    });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

async function viaTemporary(
  file: string,
  text: string,
  publish: (temporary: string) => Promise<void>,
): Promise<void> {
  const folder = dirname(file);
  if (!tidied.has(folder)) {
    tidied.add(folder);
    await removeLeftovers(folder);
  }
  const temporary = join(folder, `.${randomBytes(8).toString('hex')}.new`);
  try {
    await inFolder(folder, () => writeFile(temporary, text, { mode: 0o600, flag: 'wx' }));
    await publish(temporary);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {});
    throw error;
  }
}

/** A leftover that can't be removed does no harm. */
async function removeLeftovers(folder: string): Promise<void> {
  try {
    for (const name of (await readdir(folder)).filter((one) => temporaryName.test(one))) {
      const path = join(folder, name);
      if (Date.now() - (await stat(path)).mtimeMs > leftoverAfterMs) await rm(path);
    }
  } catch {
    // see above
  }
}
