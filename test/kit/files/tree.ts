/** Trees of files from short descriptions: written, read back, compared; and random bytes from a seed. */
import { createHash } from 'node:crypto';
import {
  lchownSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';

/**
 * Paths and what is there: text or bytes for a file, `null` for a folder (its key ends in `/`),
 * `{ link }` for a symbolic link. Folders above a file need no entry of their own.
 */
export type Tree = Readonly<Record<string, string | Buffer | null | { readonly link: string }>>;

/** Writes a tree below a folder, which is made if missing; new entries get the folder's owner. */
export function writeTree(folder: string, tree: Tree, options: { mtime?: number } = {}): void {
  mkdirSync(folder, { recursive: true });
  const owner = lstatSync(folder);
  const own = (path: string) => {
    if (process.getuid?.() === 0) lchownSync(path, owner.uid, owner.gid);
  };
  const makeFolder = (path: string) => {
    if (path === folder || path === '.') return;
    const there = lstatSync(path, { throwIfNoEntry: false });
    if (there !== undefined) return;
    makeFolder(dirname(path));
    mkdirSync(path);
    own(path);
  };
  for (const [name, content] of Object.entries(tree)) {
    const path = join(folder, name.replace(/\/$/, ''));
    if (content === null) {
      makeFolder(path);
      continue;
    }
    makeFolder(dirname(path));
    if (typeof content === 'string' || Buffer.isBuffer(content)) {
      writeFileSync(path, content);
      if (options.mtime !== undefined) utimesSync(path, options.mtime, options.mtime);
    } else {
      symlinkSync(content.link, path);
    }
    own(path);
  }
}

/**
 * Reads a tree back. Files are text where they are valid UTF-8 of at most 4 KiB, else
 * `sha256:HEX`; only empty folders get an entry. Sockets and the like are `special`.
 */
export function readTree(folder: string, options: { ours?: boolean } = {}): Tree {
  const tree: Record<string, string | null | { link: string }> = {};
  const walk = (below: string) => {
    const names = readdirSync(join(folder, below)).sort();
    for (const name of names) {
      // ferryline's own folder is included only if `ours` is set.
      if (options.ours !== true && below === '' && name === '.ferryline') continue;
      const path = below === '' ? name : `${below}/${name}`;
      const stat = lstatSync(join(folder, path));
      if (stat.isDirectory()) {
        const before = Object.keys(tree).length;
        walk(path);
        if (Object.keys(tree).length === before) tree[`${path}/`] = null;
      } else if (stat.isSymbolicLink()) {
        tree[path] = { link: readlinkSync(join(folder, path)) };
      } else if (stat.isFile()) {
        tree[path] = show(readFileSync(join(folder, path)));
      } else {
        tree[path] = 'special';
      }
    }
  };
  walk('');
  return tree;
}

/** Whether two folders hold the same names, kinds, bytes and link targets. */
export function sameTree(a: string, b: string): boolean {
  const left = readTree(a);
  const right = readTree(b);
  const keys = Object.keys(left);
  return (
    keys.length === Object.keys(right).length &&
    keys.every((key) => key in right && JSON.stringify(left[key]) === JSON.stringify(right[key]))
  );
}

/** Sets mtimes: path below the folder to seconds since the epoch. */
export function setMtimes(folder: string, mtimes: Readonly<Record<string, number>>): void {
  for (const [path, mtime] of Object.entries(mtimes)) utimesSync(join(folder, path), mtime, mtime);
}

/** Whole seconds of a file's mtime. */
export function mtimeOf(folder: string, path: string): number {
  return Math.floor(lstatSync(join(folder, path)).mtimeMs / 1000);
}

/** Numbers in [0, 1) that depend on the seed alone (mulberry32). */
export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** Bytes that depend on the seed alone. */
export function randomBytes(length: number, seed = 1): Buffer {
  const next = random(seed);
  const bytes = Buffer.allocUnsafe(length);
  let i = 0;
  for (; i + 4 <= length; i += 4) bytes.writeUInt32LE((next() * 4294967296) >>> 0, i);
  for (; i < length; i++) bytes[i] = (next() * 256) >>> 0;
  return bytes;
}

function show(bytes: Buffer): string {
  const text = bytes.toString('utf8');
  if (bytes.length <= 4096 && Buffer.from(text).equals(bytes)) return text;
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}
