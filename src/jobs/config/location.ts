/** From and to: what `./data` and `archive:data` mean, and whether two of them overlap. Decided by the text alone. */
import { posix } from 'node:path';
import type { Location } from '../../core/job.js';
import type { Remote } from '../../core/remote.js';
import { escapeText } from '../../core/text.js';
import { unknownRemote } from './problems.js';

/** What the text of a location is read against. */
export interface LocationContext {
  /** The folder that relative local paths start from, absolute; undefined: they are refused. */
  readonly folder: string | undefined;
  readonly home: string;
  /** Every remote's name; undefined for one that has errors of its own. */
  readonly remotes: ReadonlyMap<string, Remote | undefined>;
  /** The members of every group; absent: there are none. */
  readonly groups?: ReadonlyMap<string, readonly string[]>;
}

/** The user who runs ferryline. */
export interface UserContext {
  /** The folder of jobs.yml. */
  readonly folder: string;
  readonly home: string;
  readonly username: string;
  /** SSH_AUTH_SOCK. */
  readonly agent: string | undefined;
}

/** A location, or the reason why the text is not one; undefined when its remote has errors of its own. */
export function parseLocation(
  text: string,
  context: LocationContext,
): Location | string | undefined {
  const colon = text.indexOf(':');
  const slash = text.indexOf('/');
  if (colon < 0 || (slash >= 0 && slash < colon)) {
    const path = localPath(text, context);
    return path.startsWith('/') ? { remote: undefined, path, label: text } : path;
  }
  const name = text.slice(0, colon);
  if (!context.remotes.has(name)) {
    return `${unknownRemote(name, [...context.remotes.keys(), ...(context.groups?.keys() ?? [])])}; a local path with a colon must start with "./"`;
  }
  const remote = context.remotes.get(name);
  if (remote === undefined) return undefined;
  const found = remotePath(text.slice(colon + 1), remote.root);
  return 'error' in found ? found.error : { remote, path: found.path, label: text };
}

/** An absolute local path, or the reason why the text is not one, which never starts with a slash. */
export function localPath(text: string, context: Pick<LocationContext, 'folder' | 'home'>): string {
  if (text.includes('\0')) return 'contains a NUL character';
  if (text === '~' || text.startsWith('~/'))
    return posix.resolve(context.home, `.${text.slice(1)}`);
  if (text.startsWith('~'))
    return 'starts with "~user", which is not expanded; write the whole path';
  if (context.folder === undefined && !text.startsWith('/')) {
    return 'must be absolute or start with "~/" here';
  }
  return posix.resolve(context.folder ?? '/', text);
}

/** A path on a remote without `.`, `..` and doubled slashes; `''` is its root. It never leaves the root. */
function remotePath(
  text: string,
  root: string | undefined,
): { readonly path: string } | { readonly error: string } {
  if (/^~(?:\/|$)/.test(text)) {
    return {
      error:
        'has a "~" after the remote; leave it out, paths are below the root or login folder of the remote',
    };
  }
  const path = cleanPath(text);
  if (path === '..' || path.startsWith('../')) {
    return { error: 'leaves the root of its remote through ".."' };
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

/** A normalised POSIX path without a trailing slash; `''` for `.`. */
export function cleanPath(text: string): string {
  if (text === '') return '';
  const path = posix.normalize(text);
  if (path === '.' || path === './') return '';
  // POSIX lets a path that starts with exactly two slashes mean something else; SFTP servers don't.
  return path.length > 1 && path.endsWith('/') ? path.slice(0, -1) : path;
}

/** Whether a clean path is the folder or below it. */
function isWithin(path: string, folder: string): boolean {
  if (path === folder) return true;
  if (folder === '') return !path.startsWith('/');
  return path.startsWith(folder.endsWith('/') ? folder : `${folder}/`);
}

/** Whether one of the locations is the other or below it, judged by their names. */
export function overlaps(a: Location, b: Location): boolean {
  if (side(a) !== side(b)) return false;
  const [x, y] = [wholePath(a), wholePath(b)];
  if (x.startsWith('/') !== y.startsWith('/')) return false;
  return isWithin(x, y) || isWithin(y, x);
}

/** A text that is equal for locations on the same machine and account, whatever their remotes are called. */
export function side({ remote }: Location): string {
  if (remote === undefined) return 'local';
  return JSON.stringify([
    remote.host.toLowerCase(),
    remote.port,
    remote.username,
    remote.jump?.name,
  ]);
}

/** The path below the root of its remote; relative to the login folder when the remote has no root. */
export function wholePath({ remote, path }: Location): string {
  if (path.startsWith('/') || remote?.root === undefined) return path;
  return cleanPath(posix.join(remote.root, path));
}
