/** Turns an entry's relative path into a real one; every path of an endpoint passes through here. */
import { FerryError } from '../core/errors.js';
import { escapeText } from '../core/text.js';

// a leading or trailing slash, an empty, `.` or `..` segment, NUL
const leaves = /^\/|\/$|\/\/|\0|(?:^|\/)\.{1,2}(?:\/|$)/;

/** Joins `root` and a relative POSIX path (`''` is the root itself); throws a hostile-peer error if the path could leave the root. */
export function confine(root: string, path: string): string {
  if (path === '') return root;
  refuseEscape(root, path);
  return root === '/' ? `/${path}` : `${root}/${path}`;
}

/** Throws a hostile-peer error if a relative path could leave `root`. */
export function refuseEscape(root: string, path: string): void {
  if (path !== '' && leaves.test(path))
    throw new FerryError(
      'hostile-peer',
      `the path "${escapeText(path)}" would lead outside ${escapeText(root)}`,
      { path, hint: 'nothing was read or written there; find out where this name comes from' },
    );
}
