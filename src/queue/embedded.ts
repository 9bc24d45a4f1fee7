/** The embedded store's folder: opened, or set aside when it holds no sound database any more. */
import { mkdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { openPglite, type PglitePool } from './pglite.js';

/**
 * Opens STATE/queue. A folder that can't be opened is kept beside it under another name and a new
 * one is begun, with a warning: what is lost are requests that had not run, and the scans that
 * follow find what they would have done.
 */
export async function openFolder(
  folder: string,
  onWarning: (message: string) => void,
): Promise<PglitePool> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const database = join(folder, 'pglite');
  try {
    return await openPglite(database);
  } catch (error) {
    const aside = join(folder, `damaged-${new Date().toISOString().replace(/[:.]/g, '-')}`);
    await rename(database, aside);
    onWarning(
      `the queue in ${database} can't be opened (${(error as Error).message}); it was set aside as ${aside}, and a new one begun: whole scans will find what its requests would have done`,
    );
    return openPglite(database);
  }
}
