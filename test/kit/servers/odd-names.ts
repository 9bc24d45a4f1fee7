/** Misbehaviour for hostile-server.ts: servers to which names are one that are equal but for case or Unicode form. `root` is the served folder. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { isRename } from './hostile-replies.js';
import type { Behave } from './hostile-server.js';

/** Finds names that `key` makes equal, and stores new ones as `stored` makes them. */
function findsNames(
  root: string,
  key: (name: string) => string,
  stored: (name: string) => string,
): Behave {
  /** A path with each name as it is stored. */
  const find = (path: string) => {
    let at = root;
    const found = path.split('/').map((name) => {
      if (name === '') return name;
      const real = namesIn(at).find((it) => key(it) === key(name)) ?? stored(name);
      at = join(at, real);
      return real;
    });
    return found.join('/');
  };
  return (asked) => {
    const path = find(asked.path);
    let to = isRename(asked) ? find(asked.to) : asked.to;
    // a name in another case is a new name for the same file
    if (to === path) to = `${to.slice(0, to.lastIndexOf('/'))}/${stored(nameOf(asked.to))}`;
    return { instead: { ...asked, path: latin1(path), to: latin1(to) } };
  };
}

const nameOf = (path: string) => path.slice(path.lastIndexOf('/') + 1);
const latin1 = (text: string) => Buffer.from(text).toString('latin1');

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** Ignores case, as Windows does. */
export const ignoresCase = (root: string): Behave =>
  findsNames(
    root,
    (name) => name.toLowerCase(),
    (name) => name,
  );

/** Stores names in NFD, as HFS+ does. */
export const storesNfd = (root: string): Behave => {
  const nfd = (name: string) => name.normalize('NFD');
  return findsNames(root, nfd, nfd);
};
