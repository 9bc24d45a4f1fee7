/** Checks an embedded store's folder: whether its database is sound, and whether its disk can be written. */
import { constants } from 'node:fs';
import { type FileHandle, open, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { FerryError } from '../../core/errors.js';
import { present } from '../../core/present.js';
import type { CheckResult } from './check-worker.js';

/** A check that takes longer counts as damage; a recovery takes seconds, even on a slow disk. */
const checkWithinMs = 120_000;
/** The disk must take this much: a segment of Postgres' write-ahead log. */
const probeBytes = 16 * 1024 * 1024;

/** Recovers and reads the whole database in a thread. Resolves to the damage found; undefined when it is sound. */
export function checkDatabase(database: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const thread = new Worker(new URL('./check-worker.js', import.meta.url), {
      workerData: database,
      // Captured, so that what Postgres prints when it crashes does not reach our terminal.
      stdout: true,
      stderr: true,
    });
    const end = (damage: string | undefined) => {
      clearTimeout(timer);
      thread.removeAllListeners();
      thread.on('error', () => {});
      void thread.terminate().then(() => resolve(damage));
    };
    const timer = setTimeout(
      () => end(`no answer within ${checkWithinMs / 1000} s`),
      checkWithinMs,
    );
    thread.once('message', ({ damage }: CheckResult) => end(damage));
    thread.once('error', (error) => end(error.message));
    thread.once('exit', (code) => end(`its thread ended with ${code}`));
  });
}

/**
 * Rejects with `io` when the folder's disk takes no bytes, or one of the database's files can't be
 * opened for writing: nothing is damaged then, so nothing must be set aside.
 */
export async function mustBeWritable(folder: string, database: string): Promise<void> {
  const probe = join(folder, '.probe');
  let checked = folder;
  try {
    const file = await open(probe, 'w', 0o600);
    try {
      await file.write(Buffer.alloc(probeBytes, 1));
    } finally {
      await file.close();
      await rm(probe, { force: true });
    }
    for await (const path of filesBelow(database)) {
      checked = path;
      await (await openToWrite(path))?.close();
    }
  } catch (thrown) {
    throw notWritable(checked, thrown as NodeJS.ErrnoException);
  }
}

/** The error for a folder or file that the system does not let us use. */
export function notWritable(path: string, error: NodeJS.ErrnoException): FerryError {
  const hints: Readonly<Record<string, string>> = {
    ENOSPC: 'free space on the disk of the state folder, then start again',
    EDQUOT: 'free space on the disk of the state folder, then start again',
    EACCES:
      'make the account that runs ferryline the owner of the state folder and everything in it',
    EPERM:
      'make the account that runs ferryline the owner of the state folder and everything in it',
  };
  return new FerryError('io', `the queue can't be kept in ${path}: ${error.message}`, {
    ...present({ code: error.code }),
    cause: error,
    hint: hints[error.code ?? ''] ?? 'set FERRYLINE_STATE_DIR to a folder on a local disk',
  });
}

/** Undefined for a path that no longer exists or is no file. */
async function openToWrite(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, constants.O_RDWR | constants.O_NONBLOCK);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'EISDIR' || code === 'ENXIO') return undefined;
    throw error;
  }
}

async function* filesBelow(folder: string): AsyncGenerator<string> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((error) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return [];
    throw error;
  });
  for (const entry of entries) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* filesBelow(path);
    else yield path;
  }
}
