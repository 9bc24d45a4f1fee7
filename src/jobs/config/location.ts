/** From and to: what `./data` and `archive:data` mean, and whether two of them overlap. Looks at nothing but the text. */
import { posix } from 'node:path';
import type { Location } from '../../core/job.js';
import type { Remote } from '../../core/remote.js';
import { escapeText } from '../../core/text.js';
import { unknownRemote } from './problems.js';

export interface Surroundings {
  /** What relative local paths are relative to, absolute; undefined: they are refused. */
  readonly folder: string | undefined;
  readonly home: string;
  /** Every remote's name; undefined for one that has errors of its own. */
  readonly remotes: ReadonlyMap<string, Remote | undefined>;
}

/** Who reads jobs.yml, and where. */
export interface Person {
  /** Folder of jobs.yml. */
  readonly folder: string;
  readonly home: string;
  readonly username: string;
  readonly agent: string | undefined;
}

/** A location, or the sentence that says why it is none; undefined when its remote has errors of its own. */
export function parseLocation(text: string, around: Surroundings): Location | string | undefined {
  const colon = text.indexOf(':');
  const slash = text.indexOf('/');
  if (colon < 0 || (slash >= 0 && slash < colon)) {
    const path = localPath(text, around);
    return path.startsWith('/') ? { remote: undefined, path, label: text } : path;
  }
  const name = text.slice(0, colon);
  if (!around.remotes.has(name)) {
    return `${unknownRemote(name, around.remotes.keys())}; a local path with a colon in it starts with "./"`;
  }
  const remote = around.remotes.get(name);
  if (remote === undefined) return undefined;
  const found = remotePath(text.slice(colon + 1), remote.root);
  return 'error' in found ? found.error : { remote, path: found.path, label: text };
}

/** An absolute local path, or a sentence (which never starts with a slash) that says why not. */
export function localPath(text: string, around: Pick<Surroundings, 'folder' | 'home'>): string {
  if (text.includes('\0')) return 'holds a NUL character';
  if (text === '~' || text.startsWith('~/')) return posix.resolve(around.home, `.${text.slice(1)}`);
  if (text.startsWith('~'))
    return 'starts with "~user", which is not expanded; write the whole path';
  if (around.folder === undefined && !text.startsWith('/')) {
    return 'must be absolute or start with "~/" here';
  }
  return posix.resolve(around.folder ?? '/', text);
}

/** A path on a remote without `.`, `..` and doubled slashes; `''` is its root. It never leaves the root. */
function remotePath(
  text: string,
  root: string | undefined,
): { readonly path: string } | { readonly error: string } {
  if (/^~(?:\/|$)/.test(text)) {
    return {
      error: 'has a "~" after the remote, where paths are below its root anyway; leave it out',
    };
  }
  const path = cleanPath(text);
  if (path === '..' || path.startsWith('../')) {
    return { error: 'leaves the root of its remote by ".."' };
  }
  if (!path.startsWith('/') || root === undefined) return { path };
  if (!root.startsWith('/')) {
    return {
      error: `is absolute, while the root of its remote ("${escapeText(root)}") is not; write it below the root`,
    };
  }
  return isWithin(path, root)
    ? { path }
    : { error: `is absolute and not below the root of its remote, ${escapeText(root)}` };
}

/** A POSIX path normalised, without a slash at its end; `''` for `.`. */
export function cleanPath(text: string): string {
  if (text === '') return '';
  const path = posix.normalize(text);
  if (path === '.' || path === './') return '';
  // POSIX lets a path that starts with exactly two slashes mean something else; SFTP servers don't.
  return path.length > 1 && path.endsWith('/') ? path.slice(0, -1) : path;
}

/** Whether a clean path is the folder or lies below it. */
function isWithin(path: string, folder: string): boolean {
  if (path === folder) return true;
  if (folder === '') return !path.startsWith('/');
  return path.startsWith(folder.endsWith('/') ? folder : `${folder}/`);
}

/** One of the locations is the other or lies below it, as far as their names tell. */
export function overlaps(a: Location, b: Location): boolean {
  if (side(a) !== side(b)) return false;
  const [x, y] = [wholePath(a), wholePath(b)];
  if (x.startsWith('/') !== y.startsWith('/')) return false;
  return isWithin(x, y) || isWithin(y, x);
}

/** The same text for locations on the same machine and account, whatever the remotes are called. */
export function side({ remote }: Location): string {
  if (remote === undefined) return 'local';
  return JSON.stringify([
    remote.host.toLowerCase(),
    remote.port,
    remote.username,
    remote.jump?.name,
  ]);
}

/** The path with the root of its remote before it; relative to the login folder when there is none. */
export function wholePath({ remote, path }: Location): string {
  if (path.startsWith('/') || remote?.root === undefined) return path;
  return cleanPath(posix.join(remote.root, path));
}
