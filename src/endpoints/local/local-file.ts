/** Open files on this machine, and small ones that are read or finished as a whole. */
import fs, { constants } from 'node:fs';
import type { Stat } from '../../core/entry.js';
import type { Ending, Handle, OpenMode, WholeFile } from '../endpoint.js';
import { ignoreRefusal } from '../set-stat-refusal.js';
import type { DiskPace } from './disk-pace.js';
import type { Reach } from './folder-handles.js';
import type { FsCalls } from './fs-calls.js';
import { toStat } from './list-local.js';
import { localError } from './local-error.js';

/** O_NONBLOCK: opening a pipe must not wait for its other end. */
export const openFlags: Readonly<Record<OpenMode, number>> = {
  read: constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK,
  create: constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW,
  update: constants.O_RDWR | constants.O_NOFOLLOW | constants.O_NONBLOCK,
};

/** Bytes that `copyFrom` reads and writes at once. */
const copyStepBytes = 1024 * 1024;

/** The unit of `st_blocks` (stat(2)). */
const blockBytes = 512;

export class LocalFile implements Handle {
  readonly #pace: DiskPace;
  readonly #call: FsCalls;
  readonly #fd: number;
  readonly #path: string;
  readonly #reach: Reach;
  #closing: Promise<void> | undefined;

  /** `reach` is the endpoint's, for the paths that `copyFrom` gets. */
  constructor(pace: DiskPace, call: FsCalls, fd: number, path: string, reach: Reach) {
    this.#pace = pace;
    this.#call = call;
    this.#fd = fd;
    this.#path = path;
    this.#reach = reach;
  }

  read(buffer: Buffer, position: number, signal: AbortSignal): Promise<number> {
    return transferAll(this.#call.read, this.#fd, buffer, position, signal).catch(this.#failed);
  }

  write(buffer: Buffer, position: number, signal: AbortSignal): Promise<void> {
    return transferAll(this.#call.write, this.#fd, buffer, position, signal).then(
      () => {},
      this.#failed,
    );
  }

  stat(): Promise<Stat> {
    return this.#call.fstat(this.#fd).then(toStat, this.#failed);
  }

  async cutTo(bytes: number): Promise<boolean> {
    try {
      const before = await this.#call.fstat(this.#fd);
      // the bytes would be somebody else's, too
      if (!before.isFile() || before.nlink !== 1) return false;
      await this.#call.ftruncate(this.#fd, bytes);
      const { blocks } = await this.#call.fstat(this.#fd);
      return blocks * blockBytes >= bytes;
    } catch (error) {
      return this.#failed(error);
    }
  }

  async copyFrom(path: string, bytes: number, signal: AbortSignal): Promise<Stat> {
    const from = await this.#reach(path, signal, (real) =>
      this.#call.open(real, openFlags.read, 0),
    );
    try {
      try {
        const buffer = Buffer.allocUnsafeSlow(Math.min(copyStepBytes, Math.max(1, bytes)));
        for (let at = 0; at < bytes; ) {
          const part = buffer.subarray(0, Math.min(buffer.length, bytes - at));
          const got = await transferAll(this.#call.read, from, part, at, signal);
          if (got === 0) break;
          await transferAll(this.#call.write, this.#fd, part.subarray(0, got), at, signal);
          at += got;
        }
        return toStat(await this.#call.fstat(from));
      } finally {
        await this.#call.close(from);
      }
    } catch (error) {
      throw localError(error, path);
    }
  }

  finish(ending: Ending, signal: AbortSignal): Promise<Stat> {
    if (signal.aborted) return Promise.reject(signal.reason);
    const finishing = ending.sync
      ? finishInSteps(this.#call, this.#fd, ending, this.#isClosing)
      : this.#pace.call(finishHere, finishInSteps, this.#call, this.#fd, ending, this.#isClosing);
    return finishing.catch(this.#failed);
  }

  close(): Promise<void> {
    this.#closing ??= this.#call.close(this.#fd).catch(this.#failed);
    return this.#closing;
  }

  readonly #isClosing = () => {
    this.#closing = Promise.resolve();
  };

  readonly #failed = (error: unknown): never => {
    throw localError(error, this.#path);
  };
}

/** Reads a small file by calls in this thread. */
export function readHere(_call: FsCalls, path: string, target: Buffer): WholeFile {
  const fd = fs.openSync(path, openFlags.read, 0);
  try {
    const before = toStat(fs.fstatSync(fd));
    const bytes = before.kind === 'file' ? fs.readSync(fd, target, 0, target.length, 0) : 0;
    const after = toStat(fs.fstatSync(fd));
    if (bytes === after.size || bytes === target.length) return { bytes, before, after };
    return readOn(fd, target, bytes, before);
  } finally {
    fs.closeSync(fd);
  }
}

/** Reads on after an answer that was not the whole file as its size shows it: only an empty one means the end. */
function readOn(fd: number, target: Buffer, from: number, before: Stat): WholeFile {
  let bytes = from;
  for (let n = before.kind === 'file' ? 1 : 0; n > 0 && bytes < target.length; bytes += n)
    n = fs.readSync(fd, target, bytes, target.length - bytes, bytes);
  return { bytes, before, after: toStat(fs.fstatSync(fd)) };
}

/** Reads a small file by calls that may each have to wait for the disk. */
export async function readInSteps(call: FsCalls, path: string, target: Buffer): Promise<WholeFile> {
  const fd = await call.open(path, openFlags.read, 0);
  try {
    const before = toStat(await call.fstat(fd));
    const bytes = before.kind === 'file' ? await transferAll(call.read, fd, target, 0) : 0;
    return { bytes, before, after: toStat(await call.fstat(fd)) };
  } finally {
    await call.close(fd);
  }
}

/** Finishes a file without sync by calls in this thread. `closing` is called just before the close, after which another file may get the same number. */
function finishHere(
  _call: FsCalls,
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

/** Finishes a file by calls that may each have to wait for the disk. */
async function finishInSteps(
  call: FsCalls,
  fd: number,
  ending: Ending,
  closing: () => void,
): Promise<Stat> {
  const { data, sync } = ending;
  const { mode, mtime } = ending.attributes;
  if (data !== undefined) await transferAll(call.write, fd, data, 0);
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

/** Reads or writes the whole buffer, or to the file's end; a single system call may do less. Returns the bytes done. */
async function transferAll(
  step: FsCalls['read'],
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
