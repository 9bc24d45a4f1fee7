/** The calls of node:fs that a local side makes, each in this thread or through the thread pool. */
import fs from 'node:fs';
import { promisify } from 'node:util';
import type { DiskPace } from './disk-pace.js';

const poolRead = promisify(fs.read);
const poolWrite = promisify(fs.write);

export function createCalls(pace: DiskPace) {
  const both =
    <A extends unknown[], T>(here: (...args: A) => T, pool: (...args: A) => Promise<T>) =>
    (...args: A): Promise<T> =>
      pace.call(here, pool, ...args);
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
    /** Always through the pool: to free what a large file has allocated takes long. */
    ftruncate: promisify(fs.ftruncate) as (fd: number, bytes: number) => Promise<void>,
    close: both<[number], void>(fs.closeSync, promisify(fs.close)),
    read: both<[number, Buffer, number, number, number], number>(
      fs.readSync,
      async (...args) => (await poolRead(...args)).bytesRead,
    ),
    write: both<[number, Buffer, number, number, number], number>(
      fs.writeSync,
      async (...args) => (await poolWrite(...args)).bytesWritten,
    ),
    /** Always through the pool: it takes as long as the disk does. */
    fsync: promisify(fs.fsync),
  };
}

export type FsCalls = ReturnType<typeof createCalls>;
