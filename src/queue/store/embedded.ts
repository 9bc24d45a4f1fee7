/**
 * The embedded store's folder, STATE/queue: opened, or set aside when it holds no sound database
 * any more.
 *
 *     pglite/       the database
 *     clean         there while nobody has it open and it was closed in order
 *     damaged       there once a query has met damage: why
 *     damaged-TIME/ databases that were set aside
 */
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { checkDatabase, mustBeFit, unfit } from './check-folder.js';
import { makeDatabase } from './make-database.js';
import { openPglite, type PglitePool } from './pglite.js';

export interface FolderOptions {
  readonly onWarning: (message: string) => void;
  /** Told once when the database can't be used any more; opening the folder again helps. */
  readonly onBroken?: (why: string) => void;
}

/**
 * Opens STATE/queue. A database that is damaged is kept beside it under another name and a new one
 * is begun, with a warning: what is lost are requests that had not run, and the scans that follow
 * find what they would have done. One that was not closed in order is checked first, in a thread.
 * Errors: `io` when the system does not let it be used, which is no damage.
 */
export async function openFolder(folder: string, options: FolderOptions): Promise<PglitePool> {
  const database = join(folder, 'pglite');
  const clean = join(folder, 'clean');
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw unfit(folder, error as NodeJS.ErrnoException);
  }
  await mustBeFit(folder, database);
  const state = await stateOf(folder, database);
  let damage = state.damage;
  if (damage === undefined && state.check) damage = await checkDatabase(database);
  await rm(clean, { force: true });
  let pool: PglitePool | undefined;
  if (damage === undefined && state.isThere) {
    try {
      pool = await openPglite(database);
    } catch (error) {
      damage = (error as Error | undefined)?.message ?? 'it can not be opened';
    }
  }
  if (damage !== undefined) {
    // A disk that has become full meanwhile damages nothing.
    await mustBeFit(folder, database);
    const aside = join(folder, `damaged-${new Date().toISOString().replace(/[:.]/g, '-')}`);
    await rename(database, aside);
    await rm(join(folder, 'damaged'), { force: true });
    options.onWarning(
      `the queue in ${database} is damaged (${damage}); it was set aside as ${aside}, and a new one begun: whole scans will find what its requests would have done`,
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

function closeOnce(pool: PglitePool, then: () => Promise<void>): () => Promise<void> {
  const close = pool.end.bind(pool);
  let ended: Promise<void> | undefined;
  return () => {
    ended ??= close().then(() => (pool.broken() === undefined ? then() : undefined));
    return ended;
  };
}

/** What is known of a database before it is opened: damage, or whether it must be checked. */
async function stateOf(
  folder: string,
  database: string,
): Promise<{
  readonly isThere: boolean;
  readonly damage: string | undefined;
  readonly check: boolean;
}> {
  const [met, files, clean] = await Promise.all([
    readFile(join(folder, 'damaged'), 'utf8').catch(() => undefined),
    readdir(database).catch((error: NodeJS.ErrnoException): string[] | undefined =>
      error.code === 'ENOENT' ? [] : undefined,
    ),
    readFile(join(folder, 'clean')).catch(() => undefined),
  ]);
  // Postgres would begin a new database in what is left of one.
  const headless = files === undefined || (files.length > 0 && !files.includes('PG_VERSION'));
  const isThere = files === undefined || files.length > 0;
  return {
    isThere,
    damage: isThere
      ? (met ?? (headless ? 'it is no whole folder of Postgres' : undefined))
      : undefined,
    check: clean === undefined && isThere,
  };
}
