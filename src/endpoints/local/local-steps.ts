/** What takes several calls on this machine's file system. */
import type { Attributes } from '../../core/entry.js';
import { anythingFlags, fdPaths } from './folder-handles.js';
import type { FsCalls } from './fs-calls.js';

/** Renames only if `to` does not exist. rename(2) always replaces and a hard link never does, so a file is linked first. */
export async function renameNew(call: FsCalls, from: string, to: string): Promise<void> {
  const stats = await call.lstat(from);
  if (stats.isDirectory()) {
    // a folder can't be linked, but rename(2) replaces only an empty one
    await renameIfFree(call, from, to);
    return;
  }
  try {
    await call.link(from, to);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') throw error;
    // this file system has no hard links
    await renameIfFree(call, from, to);
    return;
  }
  await call.unlink(from);
}

async function renameIfFree(call: FsCalls, from: string, to: string): Promise<void> {
  if (await call.lstat(to).catch(() => undefined)) throw withCode('EEXIST');
  await call.rename(from, to);
}

/** Sets attributes of what is at a path, but not through a link: ELOOP. */
export async function setAttributes(
  call: FsCalls,
  path: string,
  attributes: Attributes,
): Promise<void> {
  if (fdPaths === undefined) {
    if ((await call.lstat(path)).isSymbolicLink()) throw withCode('ELOOP');
    await set(call, path, attributes);
    return;
  }
  // a link that takes the place of a file between two calls must not be followed
  const fd = await call.open(path, anythingFlags, 0);
  try {
    if ((await call.fstat(fd)).isSymbolicLink()) throw withCode('ELOOP');
    await set(call, `${fdPaths}/${fd}`, attributes);
  } finally {
    await call.close(fd);
  }
}

async function set(call: FsCalls, path: string, { mode, mtime }: Attributes): Promise<void> {
  if (mode !== undefined) await call.chmod(path, mode & 0o1777);
  if (mtime !== undefined) await call.utimes(path, mtime, mtime);
}

function withCode(code: string): Error {
  return Object.assign(new Error(), { code });
}
