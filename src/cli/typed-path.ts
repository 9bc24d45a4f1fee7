/** A path as people type it, as the path below a job's folders. */
import { posix } from 'node:path';
import { FerryError } from '../core/errors.js';
import type { Job, Location } from '../core/job.js';
import { escapeText } from '../core/text.js';

export interface TypedPathOptions {
  /** The working folder. */
  readonly cwd: string;
  /** Whether a local path exists. */
  readonly exists: (path: string) => boolean;
}

/**
 * What was typed may be below the job's folders already, be an absolute path, be relative to the working
 * folder (`./`), or begin as one side is named in jobs.yml (`archive:www/a`, `./data/a`). What exists decides
 * where two readings are possible. Errors: `config` for a path outside both folders, and for a folder itself.
 */
export function typedPath(
  { name, from, to }: Job,
  typed: string,
  { cwd, exists }: TypedPathOptions,
): string {
  const sides = [from, to];
  const locals = sides.filter(({ remote }) => remote === undefined);
  const plain = posix.normalize(typed).replace(/\/+$/, '');
  const isPlain = !plain.startsWith('/') && plain !== '..' && !plain.startsWith('../');
  const named = sides.filter((side) => remoteOf(side) !== '' && typed.startsWith(remoteOf(side)));
  const readings = [
    ...named.map((side) => afterRemote(side, typed)),
    ...(posix.isAbsolute(typed) ? sides.map(({ path }) => below(path, plain)) : []),
  ].filter((path) => path !== undefined);
  if (named.length === 0 && !posix.isAbsolute(typed)) {
    if (isPlain && locals.some(({ path }) => exists(posix.join(path, plain)))) readings.push(plain);
    for (const { path } of locals) {
      const here = below(path, posix.resolve(cwd, typed));
      if (here !== undefined && exists(posix.join(path, here))) readings.push(here);
    }
    if (isPlain) readings.push(plain);
  }
  const [path] = readings;
  if (path !== undefined && path !== '' && path !== '.') return path;
  const where = sides.map(({ label }) => escapeText(label)).join(' and ');
  throw new FerryError(
    'config',
    path === undefined
      ? `${name}: ${escapeText(typed)} lies outside the job's folders, ${where}`
      : `${name}: ${escapeText(typed)} is the job's folder itself`,
    { hint: `name a path below ${where}, such as \`ferryline explain ${name} a/file.txt\`` },
  );
}

/** How a side on a remote begins in jobs.yml: `archive:`; empty for a local side. */
function remoteOf({ label, remote }: Location): string {
  return remote === undefined ? '' : label.slice(0, label.indexOf(':') + 1);
}

/** The path of `archive:www/a` below a side that is `archive:www`. */
function afterRemote(side: Location, typed: string): string | undefined {
  const { length } = remoteOf(side);
  return below(side.label.slice(length) || '.', typed.slice(length));
}

/** A path relative to a folder; undefined if it does not lie in it. */
function below(folder: string, path: string): string | undefined {
  const inside = posix.relative(folder, path);
  return inside === '..' || inside.startsWith('../') || posix.isAbsolute(inside)
    ? undefined
    : inside;
}
