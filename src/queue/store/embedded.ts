/**
 * The embedded store's folder, STATE/queue: opens its database, or sets it aside when it is no
 * longer sound.
 *
 *     pglite/       the database
 *     clean         exists while the database is not open and was closed in order
 *     damaged       exists once a query has found damage, which it names
 *     damaged-TIME/ a database that was set aside
 */
import { readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolder } from '../../state/make-folder.js';
import { checkDatabase, mustBeWritable, notWritable } from './check-folder.js';
import { makeDatabase } from './make-database.js';
import { openPglite } from './pglite.js';
import type { PglitePool } from './pglite-pool.js';

export interface FolderOptions {
  readonly onWarning: (message: string) => void;
  /** Called once when the database can't be used any more; opening the folder again helps. */
  readonly onBroken?: (why: string) => void;
}

/**
 * Opens STATE/queue. A damaged database is set aside under another name and a new one is made, with
 * a warning: requests that had not run are lost, and the next scans find what they would have done.
 * A database that was not closed in order is checked in a thread first. Errors: `io` when the system
 * denies access, which is no damage.
 */
export async function openFolder(folder: string, options: FolderOptions): Promise<PglitePool> {
  const database = join(folder, 'pglite');
  const clean = join(folder, 'clean');
  try {
    await makeFolder(folder);
  } catch (error) {
    throw notWritable(folder, error as NodeJS.ErrnoException);
  }
  await mustBeWritable(folder, database);
  const state = await stateOf(folder, database);
  let damage = state.damage;
  if (damage === undefined && state.mustBeChecked) damage = await checkDatabase(database);
  await rm(clean, { force: true });
  let pool: PglitePool | undefined;
  if (damage === undefined && state.exists) {
    try {
      pool = await openPglite(database);
    } catch (error) {
      damage = (error as Error | undefined)?.message ?? "it can't be opened";
    }
  }
  if (damage !== undefined) {
    // The cause may be a disk that has become full, which is no damage.
    await mustBeWritable(folder, database);
    const aside = join(folder, `damaged-${new Date().toISOString().replace(/[:.]/g, '-')}`);
    await rename(database, aside);
    await rm(join(folder, 'damaged'), { force: true });
    options.onWarning(
      `the queue in ${database} is damaged (${damage}); it was set aside as ${aside}, and a new one was made: requests that had not run are lost, the next whole scans find what they would have done`,
    );
  }
  if (pool === undefined) {
    await makeDatabase(folder, database);
    pool = await openPglite(database);
  }
  pool.onBroken((why, isDamage) => {
    void (isDamage ? writeFile(join(folder, 'damaged'), why, { mode: 0o600 }) : Promise.resolve())
      .catch(() => {})
      .then(() => options.onBroken?.(why));
  });
  return Object.assign(pool, {
    end: closeOnce(pool, () => writeFile(clean, '', { mode: 0o600 })),
  });
}

/** Closes the pool, then calls `then` unless the database broke. */
function closeOnce(pool: PglitePool, then: () => Promise<void>): () => Promise<void> {
  const close = pool.end.bind(pool);
  let ended: Promise<void> | undefined;
  return () => {
    ended ??= close().then(() => (pool.broken() === undefined ? then() : undefined));
    return ended;
  };
}

/** What is known of a database before it is opened. */
async function stateOf(
  folder: string,
  database: string,
): Promise<{
  readonly exists: boolean;
  readonly damage: string | undefined;
  readonly mustBeChecked: boolean;
}> {
  const [foundDamage, files, clean] = await Promise.all([
    readFile(join(folder, 'damaged'), 'utf8').catch(() => undefined),
    readdir(database).catch((error: NodeJS.ErrnoException): string[] | undefined =>
      error.code === 'ENOENT' ? [] : undefined,
    ),
    readFile(join(folder, 'clean')).catch(() => undefined),
  ]);
  // Postgres would make a new database in the remains of an old one.
  const incomplete = files === undefined || (files.length > 0 && !files.includes('PG_VERSION'));
  const exists = files === undefined || files.length > 0;
  return {
    exists,
    damage: exists
      ? (foundDamage ?? (incomplete ? 'it is not a complete Postgres folder' : undefined))
      : undefined,
    mustBeChecked: clean === undefined && exists,
  };
}
