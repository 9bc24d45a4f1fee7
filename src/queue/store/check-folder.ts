/** Whether an embedded store's folder holds a sound database, and whether its disk is fit to hold one. */
import { constants } from 'node:fs';
import { type FileHandle, open, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { FerryError } from '../../core/errors.js';
import type { CheckAnswer } from './check-worker.js';

/** Milliseconds for a check; a recovery takes seconds, even on a slow disk. */
const patience = 120_000;
/** Bytes the disk must take: a segment of Postgres' log. */
const room = 16 * 1024 * 1024;

/** Recovers and reads the whole database in a thread; resolves to why it is not sound, or undefined. */
export function checkDatabase(database: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const thread = new Worker(new URL('./check-worker.js', import.meta.url), {
      workerData: database,
      // What Postgres says on its way down is for nobody.
      stdout: true,
      stderr: true,
    });
    const end = (damage: string | undefined) => {
      clearTimeout(timer);
      thread.removeAllListeners();
      thread.on('error', () => {});
      void thread.terminate().then(() => resolve(damage));
    };
    const timer = setTimeout(() => end(`no answer within ${patience / 1000} s`), patience);
    thread.once('message', ({ damage }: CheckAnswer) => end(damage));
    thread.once('error', (error) => end(error.message));
    thread.once('exit', (code) => end(`its thread ended with ${code}`));
  });
}

/**
 * Rejects with `io` when the folder's disk takes no bytes, or one of the database's files can't be
 * opened for writing: then nothing is damaged, and nothing to be set aside.
 */
export async function mustBeFit(folder: string, database: string): Promise<void> {
  const probe = join(folder, '.probe');
  let at = folder;
  try {
    const file = await open(probe, 'w', 0o600);
    try {
      await file.write(Buffer.alloc(room, 1));
    } finally {
      await file.close();
      await rm(probe, { force: true });
    }
    for await (const path of filesBelow(database)) {
      at = path;
      await (await openToWrite(path))?.close();
    }
  } catch (thrown) {
    throw unfit(at, thrown as NodeJS.ErrnoException);
  }
}

/** The error for a folder that the system does not let us use. */
export function unfit(path: string, error: NodeJS.ErrnoException): FerryError {
  const hints: Readonly<Record<string, string>> = {
    ENOSPC: 'make room on the disk of the state folder, then start again',
    EDQUOT: 'make room on the disk of the state folder, then start again',
    EACCES: 'give the state folder and all in it to the account that runs ferryline',
    EPERM: 'give the state folder and all in it to the account that runs ferryline',
  };
  return new FerryError('io', `the queue can't be kept in ${path}: ${error.message}`, {
    ...(error.code === undefined ? {} : { code: error.code }),
    cause: error,
    hint: hints[error.code ?? ''] ?? 'give a folder on a local disk in FERRYLINE_STATE_DIR',
  });
}

/** Undefined for what is gone, or no file at all. */
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
