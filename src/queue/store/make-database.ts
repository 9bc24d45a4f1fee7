/** Makes the database of an embedded store, in a process of its own: that takes memory which would stay with ours. */
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { FerryError } from '../../core/errors.js';

const maker = fileURLToPath(new URL('./make-pglite.js', import.meta.url));
/** Before the names of folders in which a database is being made. */
const unfinished = 'making-';

/** Makes `database` in `folder`; it gets its name when it is whole. Errors: `io`. */
export async function makeDatabase(folder: string, database: string): Promise<void> {
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
