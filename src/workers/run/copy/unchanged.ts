/** Whether a source file is still what was seen of it before it was read. */
import type { Stat } from '../../../core/entry.js';
import { FerryError } from '../../../core/errors.js';
import type { CopyRequest } from './copy-context.js';

/** The size of the file to be read; throws if it is no file or its size is unknown. */
export function sizeOf(before: Stat, request: CopyRequest): number {
  if (before.kind !== 'file')
    throw new FerryError('changed', `it is now a ${before.kind}`, { path: request.from });
  if (before.size === undefined)
    throw new FerryError(
      'io',
      "the server does not report its size, so a complete copy can't be proven",
      {
        path: request.from,
        hint: 'nothing was changed; copy it from a server that reports sizes',
      },
    );
  return before.size;
}

/** Whether a file has become longer and shows no sign of having been rewritten. */
export function onlyGrew(
  before: Pick<Stat, 'size' | 'mtime'>,
  after: Pick<Stat, 'size' | 'mtime'>,
): boolean {
  const { size, mtime } = before;
  if (size === undefined || after.size === undefined || after.size <= size) return false;
  return mtime === undefined || after.mtime === undefined || after.mtime >= mtime;
}

/** Whether the source grew while it was read, if it may; throws if it changed in any other way. */
export function checkSource(before: Stat, after: Stat, mayGrow: boolean): boolean {
  const same =
    before.size === after.size &&
    before.mtime === after.mtime &&
    (before.identity === undefined ||
      after.identity === undefined ||
      before.identity === after.identity);
  if (same) return false;
  if (mayGrow && onlyGrew(before, after)) return true;
  throw changed('it changed while it was read');
}

/** The error for a source file that is no longer what was seen. */
export function changed(message: string): FerryError {
  return new FerryError('changed', message, {
    hint: 'the destination was not changed; the next run tries again',
  });
}
