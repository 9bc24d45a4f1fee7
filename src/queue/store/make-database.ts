/** Makes the database of an embedded store in a process of its own: our own process would not free the memory that takes. */
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { FerryError } from '../../core/errors.js';

const maker = fileURLToPath(new URL('./make-pglite.js', import.meta.url));
/** Begins the name of a folder in which a database is being made. */
const unfinishedPrefix = 'making-';

/** Makes `database` in `folder`, under another name until it is complete. Errors: `io`. */
export async function makeDatabase(folder: string, database: string): Promise<void> {
  for (const name of await readdir(folder))
    if (name.startsWith(unfinishedPrefix))
      await rm(join(folder, name), { recursive: true, force: true });
  const making = join(folder, `${unfinishedPrefix}${randomUUID()}`);
  try {
    await promisify(execFile)(process.execPath, [maker, making]);
    await rename(making, database);
  } catch (thrown) {
    await rm(making, { recursive: true, force: true }).catch(() => {});
    const { stderr, signal, message } = thrown as Error & { stderr?: string; signal?: string };
    const why = signal ? `its process was killed by ${signal}` : lastError(stderr) || message;
    throw new FerryError('io', `the queue can't be made in ${folder}: ${why}`, {
      cause: thrown,
      hint: 'making it takes about 700 MB of memory once, and 40 MB of disk; or name another store, such as a Redis, as `queue` in jobs.yml',
    });
  }
}

/** The line that names the error in what Node prints when it ends. */
function lastError(stderr: string | undefined): string | undefined {
  return stderr?.split('\n').find((line) => /^\w*Error\b/.test(line));
}
