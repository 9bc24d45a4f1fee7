/** The trees that are transferred: the same names, bytes and times on every machine and at every run. */
import { createCipheriv, createHash } from 'node:crypto';
import { closeSync, futimesSync, mkdirSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';

export interface Work {
  /** Seeds the content too. */
  readonly name: string;
  readonly files: number;
  /** Below the root, with equally many files in each; absent: the files lie in the root. */
  readonly folders?: number;
  /** Least and greatest size in bytes, both possible. */
  readonly size: readonly [least: number, greatest: number];
}

/** The same kind of tree, smaller: fewer files in fewer folders, or a smaller one where it is one file. */
export function scaled(work: Work, scale: number): Work {
  const less = (n: number) => Math.max(1, Math.round(n * scale));
  if (work.files === 1) return { ...work, size: [less(work.size[0]), less(work.size[1])] };
  return {
    ...work,
    files: less(work.files),
    ...(work.folders === undefined ? {} : { folders: less(work.folders) }),
  };
}

/** Makes the tree at `root`, which must not exist; its parent must. */
export function makeWork(work: Work, root: string): void {
  const take = randomBytes(work.name);
  const [least, greatest] = work.size;
  const folders: string[] = [root];
  mkdirSync(root);
  if (work.folders !== undefined) {
    folders.pop();
    for (let i = 0; i < work.folders; i++) {
      const folder = join(root, `folder-${String(i).padStart(5, '0')}`);
      mkdirSync(folder);
      folders.push(folder);
    }
  }
  const perFolder = Math.ceil(work.files / folders.length);
  for (let i = 0; i < work.files; i++) {
    const folder = folders[Math.floor(i / perFolder)] ?? root;
    const size = least + (least === greatest ? 0 : take(4).readUInt32LE() % (greatest - least + 1));
    const file = openSync(join(folder, `file-${String(i).padStart(7, '0')}.bin`), 'wx');
    for (let left = size; left > 0; ) left -= writeSync(file, take(Math.min(left, chunk)));
    const mtime = firstMtime + i;
    futimesSync(file, mtime, mtime);
    closeSync(file);
  }
}

const chunk = 4 * 1024 * 1024;
/** 2024-01-01T00:00:00Z */
const firstMtime = 1_704_067_200;

/** An endless stream of bytes that don't compress: AES's key stream under a key made of the seed. */
function randomBytes(seed: string): (length: number) => Buffer {
  const key = createHash('sha256').update(seed).digest().subarray(0, 16);
  const cipher = createCipheriv('aes-128-ctr', key, Buffer.alloc(16));
  const zeros = Buffer.alloc(chunk);
  let pool: Buffer = Buffer.alloc(0);
  return (length) => {
    if (pool.length < length) pool = Buffer.concat([pool, cipher.update(zeros)]);
    const bytes = pool.subarray(0, length);
    pool = pool.subarray(length);
    return bytes;
  };
}
