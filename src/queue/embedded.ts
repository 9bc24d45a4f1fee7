/** The embedded store's folder: made, opened, or set aside when it holds no sound database any more. */
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { FerryError } from '../core/errors.js';
import { openPglite, type PglitePool } from './pglite.js';

const maker = fileURLToPath(new URL('./make-pglite.js', import.meta.url));
/** Before the names of folders in which a database is being made. */
const unfinished = 'making-';

/**
 * Opens STATE/queue, which this process alone may use. A database that can't be opened is kept
 * beside it under another name and a new one is begun, with a warning: what is lost are requests
 * that had not run, and the scans that follow find what they would have done. Errors: `io` when a
 * new one can't be made.
 */
export async function openFolder(
  folder: string,
  onWarning: (message: string) => void,
): Promise<PglitePool> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const database = join(folder, 'pglite');
  if (!(await isThere(database))) {
    await make(folder, database);
    return openPglite(database);
  }
  try {
    return await openPglite(database);
  } catch (error) {
    const aside = join(folder, `damaged-${new Date().toISOString().replace(/[:.]/g, '-')}`);
    await rename(database, aside);
    onWarning(
      `the queue in ${database} can't be opened (${(error as Error).message}); it was set aside as ${aside}, and a new one begun: whole scans will find what its requests would have done`,
    );
    await make(folder, database);
    return openPglite(database);
  }
}

/** Makes a database by another process; it gets its name when it is whole. */
async function make(folder: string, database: string): Promise<void> {
  for (const name of await readdir(folder))
    if (name.startsWith(unfinished)) await rm(join(folder, name), { recursive: true, force: true });
  const making = join(folder, `${unfinished}${randomUUID()}`);
  try {
    await promisify(execFile)(process.execPath, [maker, making]);
    await rename(making, database);
  } catch (thrown) {
    await rm(making, { recursive: true, force: true }).catch(() => {});
    const { stderr, signal, message } = thrown as Error & { stderr?: string; signal?: string };
    const why = signal ? `its process was ended by ${signal}` : lastError(stderr) || message;
    throw new FerryError('io', `the queue can't be made in ${folder}: ${why}`, {
      cause: thrown,
      hint: 'this takes about 700 MB of memory, once, and 40 MB of disk; `queue` in jobs.yml names another place, such as a Redis',
    });
  }
}

/** The line of Node's last words that names the error. */
function lastError(stderr: string | undefined): string | undefined {
  return stderr?.split('\n').find((line) => /^\w*Error\b/.test(line));
}

async function isThere(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined;
}
