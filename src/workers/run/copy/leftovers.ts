/**
 * What the scan found of ferryline's own files at the destination, by whose they are: temporary files of
 * this job's earlier runs, which a copy goes on with or which are removed; those of other writers, which
 * may still be at work; those of older versions.
 */
import { each, requestsAtOnce } from '../../../core/at-once.js';
import { nameOf } from '../../../core/entry.js';
import { asFerryError, type FerryError } from '../../../core/errors.js';
import type { Leftover, SeenLeftovers } from '../remembered/seen-leftovers.js';
import type { Writers } from '../writers.js';
import type { CopyContext } from './copy-context.js';
import { readOwnName } from './temporary-names.js';

/** Milliseconds after which an older version's temporary file is removed, by the start of its run in the name. */
const oldAfterMs = 24 * 3600 * 1000;

/** A temporary file of an earlier run of this job. */
export interface OwnLeftover extends Leftover {
  /** The fingerprint in its name. */
  readonly mark: string;
}

export interface SortedLeftovers {
  /** Newest first. */
  readonly own: readonly OwnLeftover[];
  /** Temporary files that nobody writes any more. */
  readonly abandoned: readonly Leftover[];
  /** Files of other writers, of both kinds, whether abandoned or not. */
  readonly others: readonly Leftover[];
}

/** Whether a run that starts at `now` (ms since the epoch) may put back or remove one of ferryline's own files. */
export type Settles = (leftover: Leftover) => boolean;

export function settlesFor({ ours }: Writers, seen: SeenLeftovers, now: number): Settles {
  return (leftover) => {
    const { writer, start } = readOwnName(nameOf(leftover.path));
    if (writer === undefined) return start === undefined || start < now - oldAfterMs;
    return ours.has(writer) || seen.isAbandoned(leftover, now);
  };
}

/** Sorts what the scan found. What is aside is the plan's matter, and only remembered here if it is another writer's. */
export function sortLeftovers(
  found: readonly Leftover[],
  { ours }: Writers,
  settles: Settles,
): SortedLeftovers {
  const own: (OwnLeftover & { readonly start: number })[] = [];
  const abandoned: Leftover[] = [];
  const others: Leftover[] = [];
  for (const leftover of found) {
    const { writer, mark, start } = readOwnName(nameOf(leftover.path));
    const isOther = writer !== undefined && !ours.has(writer);
    if (isOther) others.push(leftover);
    if (start === undefined) continue;
    if (mark !== undefined && !isOther) own.push({ ...leftover, mark, start });
    else if (settles(leftover)) abandoned.push(leftover);
  }
  return { own: own.sort((a, b) => b.start - a.start), abandoned, others };
}

/** Their paths by fingerprint, for copies that go on with them. */
export function byMark(own: readonly OwnLeftover[]): Map<string, readonly string[]> {
  const marks = new Map<string, readonly string[]>();
  for (const { mark, path } of own) marks.set(mark, [...(marks.get(mark) ?? []), path]);
  return marks;
}

/** Removes what the scan found, except what a copy of this run has taken. */
export class LeftoverCleaner {
  readonly #context: CopyContext;
  readonly #left: Set<Leftover & { readonly mark?: string }>;

  constructor(
    { own, abandoned }: Pick<SortedLeftovers, 'own' | 'abandoned'>,
    context: CopyContext,
  ) {
    this.#context = context;
    this.#left = new Set([...own, ...abandoned]);
  }

  /** Removes those that `which` accepts. Resolves to how many it removed, and to the first error of one that it could not. */
  async clear(
    which: (leftover: Leftover & { readonly mark?: string }) => boolean,
  ): Promise<{ readonly removed: number; readonly failure: FerryError | undefined }> {
    const { destination, leftovers, signal } = this.#context;
    const chosen: string[] = [];
    for (const leftover of this.#left) {
      const { path, mark } = leftover;
      const same = mark === undefined ? undefined : leftovers.get(mark);
      const isTaken = mark !== undefined && same?.includes(path) !== true;
      if (!isTaken && !which(leftover)) continue;
      this.#left.delete(leftover);
      if (isTaken) continue;
      chosen.push(path);
      // a copy that is still to come must not go on with it
      if (mark !== undefined) leftovers.set(mark, same?.filter((other) => other !== path) ?? []);
    }
    let removed = 0;
    let failure: FerryError | undefined;
    await each(chosen, requestsAtOnce(destination.can.roundTrip, 64), async (path) => {
      try {
        await destination.remove(path, signal);
        removed++;
      } catch (thrown) {
        if (signal.aborted) throw signal.reason;
        const error = asFerryError(thrown);
        if (error.kind !== 'io') throw error;
        if (error.code !== 'ENOENT') failure ??= error.at({ path });
      }
    });
    return { removed, failure };
  }
}
