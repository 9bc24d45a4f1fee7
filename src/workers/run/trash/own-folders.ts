/**
 * Ferryline's own folders on a side: the trash and the archive. They are made when they are needed and
 * followed through no link: whoever can write into a root could otherwise lead our files elsewhere.
 */
import { parentOf } from '../../../core/entry.js';
import { FerryError } from '../../../core/errors.js';
import type { Endpoint } from '../../../endpoints/endpoint.js';

/** Makes a folder and its missing parents; does nothing if the folder exists. `known` remembers the folders made. */
export async function makeFolders(
  side: Endpoint,
  path: string,
  permissions: number,
  known: Map<string, Promise<void>>,
  signal: AbortSignal,
): Promise<void> {
  if (path === '') return;
  let made = known.get(path);
  if (made === undefined) {
    made = makeFolders(side, parentOf(path), permissions, known, signal)
      .then(() => makeFolder(side, path, permissions, signal))
      .catch((error) => {
        known.delete(path); // another try may succeed
        throw error;
      });
    known.set(path, made);
  }
  await made;
}

async function makeFolder(
  side: Endpoint,
  path: string,
  permissions: number,
  signal: AbortSignal,
): Promise<void> {
  try {
    await side.mkdir(path, permissions, signal);
  } catch (error) {
    if (!(error instanceof FerryError && error.code === 'EEXIST')) throw error;
    if (!(await isPlainFolder(side, path, signal))) throw notAFolder(path);
  }
}

/** Whether a folder and all those above it exist; throws if one of them is a link or a file. */
export async function areFolders(
  side: Endpoint,
  path: string,
  signal: AbortSignal,
): Promise<boolean> {
  const folders: string[] = [];
  for (let at = path; at !== ''; at = parentOf(at)) folders.push(at);
  const found = await Promise.all(folders.map((at) => isPlainFolder(side, at, signal)));
  if (found.includes(undefined)) return false;
  const wrong = folders[found.lastIndexOf(false)];
  if (wrong !== undefined) throw notAFolder(wrong);
  return true;
}

/** Undefined if nothing is there. ProFTPD shows what a link leads to, but READLINK succeeds only for a link. */
async function isPlainFolder(
  side: Endpoint,
  path: string,
  signal: AbortSignal,
): Promise<boolean | undefined> {
  const [there, target] = await Promise.all([
    side.stat(path, signal),
    side.readlink(path, signal).catch((error) => {
      if (error instanceof FerryError && error.kind === 'io') return undefined;
      throw error;
    }),
  ]);
  return there === undefined ? undefined : there.kind === 'folder' && target === undefined;
}

function notAFolder(path: string): FerryError {
  return new FerryError('io', 'it is no folder, or a link, which ferryline does not follow', {
    path,
    code: 'ENOTDIR',
    hint: 'ferryline keeps files of its own there: move it away',
  });
}
