/** An Endpoint on this machine's file system. */
import fs, { constants } from 'node:fs';
import { promisify } from 'node:util';
import type { Attributes } from '../core/entry.js';
import { FerryError } from '../core/errors.js';
import { confine } from './confine.js';
import type { Capabilities, Endpoint, Handle, OpenMode } from './endpoint.js';
import { toStat } from './list-local.js';
import { createLister } from './lister.js';

// The callback API: fs.promises costs an object and several turns more for each call.
const call = {
  lstat: promisify(fs.lstat),
  open: promisify(fs.open),
  mkdir: promisify(fs.mkdir),
  rename: promisify(fs.rename),
  link: promisify(fs.link),
  unlink: promisify(fs.unlink),
  rmdir: promisify(fs.rmdir),
  readlink: promisify(fs.readlink),
  symlink: promisify(fs.symlink),
  chmod: promisify(fs.chmod),
  utimes: promisify(fs.utimes),
  fstat: promisify(fs.fstat),
  fchmod: promisify(fs.fchmod),
  futimes: promisify(fs.futimes),
  fsync: promisify(fs.fsync),
  close: promisify(fs.close),
};

const flags: Readonly<Record<OpenMode, number>> = {
  read: constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK,
  create: constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW,
  update: constants.O_RDWR | constants.O_NOFOLLOW | constants.O_NONBLOCK,
};

const words: Readonly<Record<string, string>> = {
  ENOENT: 'no such file or folder',
  EACCES: 'permission denied',
  EPERM: 'operation not permitted',
  EEXIST: 'something with this name stands there already',
  ENOTDIR: 'a part of the path is not a folder',
  EISDIR: 'it is a folder',
  ENOTEMPTY: 'the folder is not empty',
  ENOSPC: 'no space left on this machine',
  EDQUOT: 'the disk quota is used up',
  EROFS: 'the file system is read-only',
  ELOOP: 'it is a link, which is not followed',
  ENAMETOOLONG: 'the name is too long for this file system',
  EMFILE: 'too many files are open',
  EFBIG: 'the file is too large for this file system or limit',
  EIO: 'the disk reports an input/output error',
  EXDEV: 'it lies on another file system',
};

/** The system's error as ours, with the entry's path. */
function localError(error: unknown, path: string): FerryError {
  if (error instanceof FerryError) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  return new FerryError('io', words[code ?? ''] ?? message, {
    path,
    cause: error,
    ...(code === undefined ? {} : { code }),
  });
}

/** `root` is an absolute, resolved path; it need not exist yet. */
export function openLocal(root: string, label: string, caseSensitive = true): Endpoint {
  const lister = createLister();
  const can: Capabilities = {
    atomicReplace: true,
    mtimePrecision: 1e-6,
    // calls on one file may overtake each other here
    setStat: 'handle',
    clockOffset: 0,
    fsync: true,
    symlinks: true,
    serverHash: [],
    caseSensitive,
    maxHandles: 512,
    maxRead: 8 * 1024 * 1024,
    maxWrite: 8 * 1024 * 1024,
    roundTrip: 0,
  };

  /** One call on one path: confined, the signal looked at, errors located. */
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

  return {
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
      on(path, signal, async (real) =>
        openHandle(await call.open(real, flags[mode], permissions & 0o777), path),
      ),
    mkdir: (path, permissions, signal) =>
      on(path, signal, (real) => call.mkdir(real, permissions & 0o1777)),
    rename: (from, to, replace, signal) =>
      on(to, signal, async (real) => {
        const source = confine(root, from);
        if (replace) await call.rename(source, real);
        else await renameNew(source, real);
      }),
    setStat: (path, attributes, signal) =>
      on(path, signal, async (real) => {
        const there = await call.lstat(real);
        if (there.isSymbolicLink()) throw Object.assign(new Error(), { code: 'ELOOP' });
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
}

/** rename(2) always replaces; a hard link never does, so a file goes by way of one. */
async function renameNew(from: string, to: string): Promise<void> {
  const stats = await call.lstat(from);
  if (stats.isDirectory()) {
    // rename(2) replaces no folder but an empty one
    if (await call.lstat(to).catch(() => undefined))
      throw Object.assign(new Error(), { code: 'EEXIST' });
    await call.rename(from, to);
    return;
  }
  try {
    await call.link(from, to);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') throw error;
    // no hard links on this file system: look, then rename
    if (await call.lstat(to).catch(() => undefined))
      throw Object.assign(new Error(), { code: 'EEXIST' });
    await call.rename(from, to);
    return;
  }
  await call.unlink(from);
}

function openHandle(fd: number, path: string): Handle {
  let closing: Promise<void> | undefined;
  const failed = (error: unknown): never => {
    throw localError(error, path);
  };

  return {
    read: (buffer, position, signal) =>
      new Promise((resolve, reject) => {
        const step = (got: number) => {
          if (signal.aborted) {
            reject(signal.reason);
            return;
          }
          fs.read(fd, buffer, got, buffer.length - got, position + got, (error, n) => {
            if (error) reject(localError(error, path));
            else if (n === 0 || got + n === buffer.length) resolve(got + n);
            else step(got + n);
          });
        };
        step(0);
      }),
    write: (buffer, position, signal) =>
      new Promise((resolve, reject) => {
        const step = (done: number) => {
          if (signal.aborted) {
            reject(signal.reason);
            return;
          }
          fs.write(fd, buffer, done, buffer.length - done, position + done, (error, n) => {
            if (error) reject(localError(error, path));
            else if (done + n === buffer.length) resolve();
            else step(done + n);
          });
        };
        step(0);
      }),
    stat: () => call.fstat(fd).then(toStat, failed),
    setStat: async (attributes: Attributes) => {
      try {
        if (attributes.mode !== undefined) await call.fchmod(fd, attributes.mode & 0o1777);
        if (attributes.mtime !== undefined)
          await call.futimes(fd, attributes.mtime, attributes.mtime);
      } catch (error) {
        failed(error);
      }
    },
    sync: () => call.fsync(fd).catch(failed),
    close: () => {
      closing ??= call.close(fd).catch(failed);
      return closing;
    },
  };
}
