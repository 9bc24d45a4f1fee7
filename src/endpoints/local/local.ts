/** An Endpoint on this machine's file system. */
import fs, { constants } from 'node:fs';
import { promisify } from 'node:util';
import type { Stat } from '../../core/entry.js';
import { FerryError } from '../../core/errors.js';
import { confine } from '../confine.js';
import type { Capabilities, Ending, Endpoint, Handle, OpenMode, WholeFile } from '../endpoint.js';
import { ignoreRefusal } from '../set-stat-refusal.js';
import { createPace, type Pace } from './disk-pace.js';
import { toStat } from './list-local.js';
import { createLister } from './lister.js';

const poolRead = promisify(fs.read);
const poolWrite = promisify(fs.write);

/** The calls of node:fs that are made here, each in this thread or the pool. */
function paced(pace: Pace) {
  const both =
    <A extends unknown[], T>(here: (...args: A) => T, pool: (...args: A) => Promise<T>) =>
    (...args: A): Promise<T> =>
      pace(here, pool, ...args);
  const stat = (path: string) => fs.lstatSync(path);
  return {
    lstat: both(stat, promisify(fs.lstat) as (path: string) => Promise<fs.Stats>),
    open: both<[string, number, number], number>(fs.openSync, promisify(fs.open)),
    mkdir: both(
      (path: string, mode: number) => void fs.mkdirSync(path, mode),
      promisify(fs.mkdir) as (path: string, mode: number) => Promise<void>,
    ),
    rename: both<[string, string], void>(fs.renameSync, promisify(fs.rename)),
    link: both<[string, string], void>(fs.linkSync, promisify(fs.link)),
    unlink: both<[string], void>(fs.unlinkSync, promisify(fs.unlink)),
    rmdir: both<[string], void>(fs.rmdirSync, promisify(fs.rmdir)),
    readlink: both<[string], string>(fs.readlinkSync, promisify(fs.readlink)),
    symlink: both<[string, string], void>(fs.symlinkSync, promisify(fs.symlink)),
    chmod: both<[string, number], void>(fs.chmodSync, promisify(fs.chmod)),
    utimes: both<[string, number, number], void>(fs.utimesSync, promisify(fs.utimes)),
    fstat: both(
      (fd: number) => fs.fstatSync(fd),
      promisify(fs.fstat) as (fd: number) => Promise<fs.Stats>,
    ),
    fchmod: both<[number, number], void>(fs.fchmodSync, promisify(fs.fchmod)),
    futimes: both<[number, number, number], void>(fs.futimesSync, promisify(fs.futimes)),
    close: both<[number], void>(fs.closeSync, promisify(fs.close)),
    read: both<[number, Buffer, number, number, number], number>(
      fs.readSync,
      async (...args) => (await poolRead(...args)).bytesRead,
    ),
    write: both<[number, Buffer, number, number, number], number>(
      fs.writeSync,
      async (...args) => (await poolWrite(...args)).bytesWritten,
    ),
    /** Never in this thread: it takes as long as the disk does. */
    fsync: promisify(fs.fsync),
  };
}

type Calls = ReturnType<typeof paced>;

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

export interface LocalSide {
  readonly endpoint: Endpoint;
  /** Begins to list all of it now; each folder's first `list` may then be as old as this call. */
  readonly listAhead: () => void;
}

/** `root` is an absolute, resolved path; it need not exist yet. */
export function openLocal(root: string, label: string, caseSensitive = true): LocalSide {
  const lister = createLister();
  const pace = createPace();
  const call = paced(pace);
  const can: Capabilities = {
    atomicReplace: true,
    mtimePrecision: 1e-6,
    // calls on one file may overtake each other here
    setStat: 'handle',
    clockOffset: 0,
    fsync: true,
    offsetWrites: true,
    caseSensitive,
    // below the 4,096 that systems allow at least, up to which Node lifts its own limit
    maxHandles: 2000,
    maxRead: 8 * 1024 * 1024,
    maxWrite: 8 * 1024 * 1024,
    roundTrip: 0,
    requestsAtOnce: Number.POSITIVE_INFINITY,
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
          .open(real, flags[mode], permissions & 0o777)
          .then((fd) => openHandle(pace, call, fd, path)),
      ),
    readWhole: (path, target, signal) =>
      on(path, signal, (real) => pace(readHere, readInSteps, call, real, target)),
    mkdir: (path, permissions, signal) =>
      on(path, signal, (real) => call.mkdir(real, permissions & 0o1777)),
    rename: (from, to, replace, signal) =>
      on(to, signal, async (real) => {
        const source = confine(root, from);
        if (replace) await call.rename(source, real);
        else await renameNew(call, source, real);
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
  return { endpoint, listAhead: () => lister.ahead(root) };
}

/** rename(2) always replaces; a hard link never does, so a file goes by way of one. */
async function renameNew(call: Calls, from: string, to: string): Promise<void> {
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

/** A small file in one run of calls in this thread. */
function readHere(_call: Calls, path: string, target: Buffer): WholeFile {
  const fd = fs.openSync(path, flags.read, 0);
  try {
    const before = toStat(fs.fstatSync(fd));
    let bytes = 0;
    for (let n = before.kind === 'file' ? 1 : 0; n > 0 && bytes < target.length; bytes += n)
      n = fs.readSync(fd, target, bytes, target.length - bytes, bytes);
    return { bytes, before, after: toStat(fs.fstatSync(fd)) };
  } finally {
    fs.closeSync(fd);
  }
}

/** The same where each call may have to wait for the disk. */
async function readInSteps(call: Calls, path: string, target: Buffer): Promise<WholeFile> {
  const fd = await call.open(path, flags.read, 0);
  try {
    const before = toStat(await call.fstat(fd));
    const bytes = before.kind === 'file' ? await inWhole(call.read, fd, target, 0) : 0;
    return { bytes, before, after: toStat(await call.fstat(fd)) };
  } finally {
    await call.close(fd);
  }
}

/** An ending without sync in one run of calls in this thread. `closing` is called before the number becomes another file's. */
function finishHere(
  _call: Calls,
  fd: number,
  { data, attributes }: Ending,
  closing: () => void,
): Stat {
  for (let at = 0; data !== undefined && at < data.length; )
    at += fs.writeSync(fd, data, at, data.length - at, at);
  const { mode, mtime } = attributes;
  try {
    if (mode !== undefined) fs.fchmodSync(fd, mode & 0o1777);
    if (mtime !== undefined) fs.futimesSync(fd, mtime, mtime);
  } catch (error) {
    ignoreRefusal(localError(error, ''));
  }
  const stat = toStat(fs.fstatSync(fd));
  closing();
  fs.closeSync(fd);
  return stat;
}

/** Any ending where each call may have to wait for the disk. */
async function finishInSteps(
  call: Calls,
  fd: number,
  ending: Ending,
  closing: () => void,
): Promise<Stat> {
  const { data, sync } = ending;
  const { mode, mtime } = ending.attributes;
  if (data !== undefined) await inWhole(call.write, fd, data, 0);
  try {
    if (mode !== undefined) await call.fchmod(fd, mode & 0o1777);
    if (mtime !== undefined) await call.futimes(fd, mtime, mtime);
  } catch (error) {
    ignoreRefusal(localError(error, ''));
  }
  if (sync) await call.fsync(fd);
  const stat = toStat(await call.fstat(fd));
  closing();
  await call.close(fd);
  return stat;
}

/** Reads or writes until all is done or nothing more comes; system calls may do less than asked. */
async function inWhole(
  step: Calls['read'],
  fd: number,
  buffer: Buffer,
  position: number,
  signal?: AbortSignal,
): Promise<number> {
  let done = 0;
  while (done < buffer.length) {
    signal?.throwIfAborted();
    const n = await step(fd, buffer, done, buffer.length - done, position + done);
    if (n === 0) break;
    done += n;
  }
  return done;
}

function openHandle(pace: Pace, call: Calls, fd: number, path: string): Handle {
  let closing: Promise<void> | undefined;
  const failed = (error: unknown): never => {
    throw localError(error, path);
  };

  return {
    read: (buffer, position, signal) =>
      inWhole(call.read, fd, buffer, position, signal).catch(failed),
    write: (buffer, position, signal) =>
      inWhole(call.write, fd, buffer, position, signal).then(() => {}, failed),
    stat: () => call.fstat(fd).then(toStat, failed),
    async finish(ending, signal) {
      signal.throwIfAborted();
      const isClosing = () => {
        closing = Promise.resolve();
      };
      const ended = ending.sync
        ? finishInSteps(call, fd, ending, isClosing)
        : pace(finishHere, finishInSteps, call, fd, ending, isClosing);
      return ended.catch(failed);
    },
    close: () => {
      closing ??= call.close(fd).catch(failed);
      return closing;
    },
  };
}
