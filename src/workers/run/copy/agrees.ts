/**
 * Whether what is at a name now is what was seen there before. Before anything is destroyed it is looked at
 * again: by kind, size and mtime, since that something exists says nothing.
 */
import type { Stat } from '../../../core/entry.js';
import { FerryError } from '../../../core/errors.js';
import { comparable } from '../../../jobs/plan/compare.js';
import type { Snapshot } from '../../../jobs/plan/plan.js';

type Seen = Pick<Stat, 'kind' | 'size' | 'mtime'>;

/** Whether two stats are of the same file, as far as a server shows it. */
export function agrees(a: Seen, b: Seen | Snapshot | undefined): boolean {
  const second = (mtime: number | undefined) =>
    mtime === undefined ? undefined : comparable(mtime, 1);
  return a.kind === b?.kind && a.size === b.size && second(a.mtime) === second(b.mtime);
}

/** The code of an error about the destination's entry, so that the source is not read again for it. */
export const changedThereCode = 'EEXIST';

/** The error for an entry of the destination that is no longer what the plan saw. */
export function changedThere(path: string): FerryError {
  return new FerryError(
    'changed',
    'something arrived or changed at the destination since it was listed, so it was left as it is',
    { path, code: changedThereCode, hint: 'the next run looks at both sides again' },
  );
}
