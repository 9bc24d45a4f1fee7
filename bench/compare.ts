/** Is the result right? Trees compared by names, bytes and times, or shown to be untouched. */
import { closeSync, lstatSync, openSync, readdirSync, readSync, type Stats } from 'node:fs';
import { join } from 'node:path';

/** What ferryline keeps at a destination, such as a mirror's mark: no part of the tree. */
const own = '.ferryline';

/**
 * The first difference between two trees, or undefined: kinds, names, sizes, every byte, and each
 * file's mtime in whole seconds. Folders' times and all modes may differ.
 */
export function difference(expected: string, actual: string): string | undefined {
  const [one, other] = [kindOf(expected), kindOf(actual)];
  if (one !== other) return `${actual} is ${other}, not ${one}`;
  if (one === 'a file') return fileDifference(expected, actual);
  if (one !== 'a folder') return undefined;
  const [names, found] = [expected, actual].map((folder) =>
    readdirSync(folder)
      .filter((name) => name !== own)
      .sort(),
  ) as [string[], string[]];
  for (let i = 0; i < Math.max(names.length, found.length); i++) {
    const [name, there] = [names[i], found[i]];
    if (name !== there)
      return `${actual} has ${there ?? 'no more'} where ${name ?? 'nothing'} should be`;
    const inside = difference(join(expected, name ?? ''), join(actual, there ?? ''));
    if (inside !== undefined) return inside;
  }
  return undefined;
}

/** Inode, size, mtime and ctime of every entry of a tree: equal ones mean that nothing was written. */
export type Marks = ReadonlyMap<string, string>;

export function marksOf(root: string): Marks {
  const marks = new Map<string, string>();
  const visit = (folder: string) => {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      if (entry.name === own) continue;
      const path = `${folder}/${entry.name}`;
      const stat = lstatSync(path);
      marks.set(path, `${stat.ino} ${stat.size} ${stat.mtimeMs} ${stat.ctimeMs}`);
      if (entry.isDirectory()) visit(path);
    }
  };
  visit(root);
  return marks;
}

/** The first entry that was touched, added or removed since, or undefined. */
export function touched(marks: Marks, root: string): string | undefined {
  const now = marksOf(root);
  for (const [path, mark] of now) {
    if (marks.get(path) !== mark) return `${path} was ${marks.has(path) ? 'touched' : 'added'}`;
  }
  for (const path of marks.keys()) if (!now.has(path)) return `${path} was removed`;
  return undefined;
}

function kindOf(path: string): string {
  const stat: Stats | undefined = lstatSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return 'missing';
  if (stat.isFile()) return 'a file';
  return stat.isDirectory() ? 'a folder' : 'something else';
}

const buffers = [Buffer.alloc(4 * 1024 * 1024), Buffer.alloc(4 * 1024 * 1024)] as const;

function fileDifference(expected: string, actual: string): string | undefined {
  const [one, other] = [lstatSync(expected), lstatSync(actual)];
  if (one.size !== other.size) return `${actual} has ${other.size} bytes, not ${one.size}`;
  const seconds = [one, other].map(({ mtimeMs }) => Math.floor(mtimeMs / 1000));
  if (seconds[0] !== seconds[1]) return `${actual} has the mtime ${seconds[1]}, not ${seconds[0]}`;
  const files = [openSync(expected, 'r'), openSync(actual, 'r')] as const;
  try {
    for (let at = 0; at < one.size; ) {
      const lengths = [0, 1].map((i) => fill(files[i as 0 | 1], buffers[i as 0 | 1], at));
      const [length = 0] = lengths;
      const same = lengths[1] === length;
      if (!same || !buffers[0].subarray(0, length).equals(buffers[1].subarray(0, length)))
        return `${actual} differs after byte ${at}`;
      if (length === 0) return `${expected} ended early`;
      at += length;
    }
  } finally {
    for (const file of files) closeSync(file);
  }
  return undefined;
}

function fill(file: number, buffer: Buffer, at: number): number {
  let length = 0;
  for (;;) {
    const got = readSync(file, buffer, length, buffer.length - length, at + length);
    length += got;
    if (got === 0 || length === buffer.length) return length;
  }
}
