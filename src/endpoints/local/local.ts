/** An Endpoint on this machine's file system. */

import { confine } from '../confine.js';
import type { Capabilities, Endpoint } from '../endpoint.js';
import { DiskPace } from './disk-pace.js';
import { createCalls, type FsCalls } from './fs-calls.js';
import { toStat } from './list-local.js';
import { Lister } from './lister.js';
import { localError } from './local-error.js';
import { LocalFile, openFlags, readHere, readInSteps } from './local-file.js';

export interface LocalSide {
  readonly endpoint: Endpoint;
  /** Begins to list the whole tree now; a folder's first `list` may then be as old as this call. */
  readonly listAhead: () => void;
}

/** `root` is an absolute, resolved path; it need not exist yet. */
export function openLocal(root: string, label: string): LocalSide {
  const lister = new Lister();
  const pace = new DiskPace();
  const call = createCalls(pace);
  const can: Capabilities = {
    atomicReplace: true,
    mtimePrecision: 1e-6,
    // not `pipelined`: calls on one file may overtake each other here
    setStat: 'handle',
    clockOffset: 0,
    fsync: true,
    hardLinks: true,
    copyData: true,
    offsetWrites: true,
    // below 4,096, the lowest limit of common systems, to which Node raises its own
    maxHandles: 2000,
    maxRead: 8 * 1024 * 1024,
    maxWrite: 8 * 1024 * 1024,
    roundTrip: 0,
    requestsAtOnce: Number.POSITIVE_INFINITY,
  };

  /** Runs one call on a path: confines the path, checks the signal, gives errors the path. */
  const on = async <T>(
    path: string,
    signal: AbortSignal,
    operation: (real: string) => Promise<T>,
  ): Promise<T> => {
    const real = confine(root, path);
    signal.throwIfAborted();
    try {
      return await operation(real);
    } catch (error) {
      throw localError(error, path);
    }
  };

  const endpoint: Endpoint = {
    label,
    root,
    can,
    list: (folder, signal) => on(folder, signal, (real) => lister.list(real)),
    stat: (path, signal) =>
      on(path, signal, async (real) => {
        try {
          return toStat(await call.lstat(real));
        } catch (error) {
          const { code } = error as NodeJS.ErrnoException;
          if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
          throw error;
        }
      }),
    open: (path, mode, permissions, signal) =>
      on(path, signal, (real) =>
        call
          .open(real, openFlags[mode], permissions & 0o777)
          .then((fd) => new LocalFile(pace, call, fd, path, root)),
      ),
    readWhole: (path, target, signal) =>
      on(path, signal, (real) => pace.call(readHere, readInSteps, call, real, target)),
    mkdir: (path, permissions, signal) =>
      on(path, signal, (real) => call.mkdir(real, permissions & 0o1777)),
    rename: (from, to, replace, signal) =>
      on(to, signal, async (real) => {
        const source = confine(root, from);
        if (replace) await call.rename(source, real);
        else await renameNew(call, source, real);
      }),
    link: (from, to, signal) =>
      on(to, signal, async (real) => {
        await call.link(confine(root, from), real);
        return toStat(await call.lstat(real));
      }),
    setStat: (path, attributes, signal) =>
      on(path, signal, async (real) => {
        const there = await call.lstat(real);
        if (there.isSymbolicLink()) throw withCode('ELOOP');
        if (attributes.mode !== undefined) await call.chmod(real, attributes.mode & 0o1777);
        if (attributes.mtime !== undefined)
          await call.utimes(real, attributes.mtime, attributes.mtime);
      }),
    remove: (path, signal) => on(path, signal, (real) => call.unlink(real)),
    rmdir: (path, signal) => on(path, signal, (real) => call.rmdir(real)),
    readlink: (path, signal) => on(path, signal, (real) => call.readlink(real)),
    symlink: (target, path, signal) => on(path, signal, (real) => call.symlink(target, real)),
    close: () => lister.close(),
  };
  return { endpoint, listAhead: () => lister.ahead(root) };
}

/** Renames only if `to` does not exist. rename(2) always replaces and a hard link never does, so a file is linked first. */
async function renameNew(call: FsCalls, from: string, to: string): Promise<void> {
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

function withCode(code: string): Error {
  return Object.assign(new Error(), { code });
}
