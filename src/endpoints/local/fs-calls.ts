/** The calls of node:fs that a local side makes, each in this thread or through the thread pool. */
import fs from 'node:fs';
import { promisify } from 'node:util';
import type { DiskPace } from './disk-pace.js';

/** Made once: a side of a small run makes few calls. */
const inPool = {
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
  ftruncate: promisify(fs.ftruncate),
  close: promisify(fs.close),
  fsync: promisify(fs.fsync),
  read: promisify(fs.read),
  write: promisify(fs.write),
};

export function createCalls(pace: DiskPace) {
  const both =
    <A extends unknown[], T>(here: (...args: A) => T, pool: (...args: A) => Promise<T>) =>
    (...args: A): Promise<T> =>
      pace.call(here, pool, ...args);
  const stat = (path: string) => fs.lstatSync(path);
  return {
    lstat: both(stat, inPool.lstat as (path: string) => Promise<fs.Stats>),
    open: both<[string, number, number], number>(fs.openSync, inPool.open),
    mkdir: both(
      (path: string, mode: number) => void fs.mkdirSync(path, mode),
      inPool.mkdir as (path: string, mode: number) => Promise<void>,
    ),
    rename: both<[string, string], void>(fs.renameSync, inPool.rename),
    link: both<[string, string], void>(fs.linkSync, inPool.link),
    unlink: both<[string], void>(fs.unlinkSync, inPool.unlink),
    rmdir: both<[string], void>(fs.rmdirSync, inPool.rmdir),
    readlink: both<[string], string>(fs.readlinkSync, inPool.readlink),
    symlink: both<[string, string], void>(fs.symlinkSync, inPool.symlink),
    chmod: both<[string, number], void>(fs.chmodSync, inPool.chmod),
    utimes: both<[string, number, number], void>(fs.utimesSync, inPool.utimes),
    fstat: both(
      (fd: number) => fs.fstatSync(fd),
      inPool.fstat as (fd: number) => Promise<fs.Stats>,
    ),
    fchmod: both<[number, number], void>(fs.fchmodSync, inPool.fchmod),
    futimes: both<[number, number, number], void>(fs.futimesSync, inPool.futimes),
    /** Always through the pool: to free what a large file has allocated takes long. */
    ftruncate: inPool.ftruncate as (fd: number, bytes: number) => Promise<void>,
    close: both<[number], void>(fs.closeSync, inPool.close),
    read: both<[number, Buffer, number, number, number], number>(
      fs.readSync,
      async (...args) => (await inPool.read(...args)).bytesRead,
    ),
    write: both<[number, Buffer, number, number, number], number>(
      fs.writeSync,
      async (...args) => (await inPool.write(...args)).bytesWritten,
    ),
    /** Always through the pool: it takes as long as the disk does. */
    fsync: inPool.fsync,
  };
}

export type FsCalls = ReturnType<typeof createCalls>;
