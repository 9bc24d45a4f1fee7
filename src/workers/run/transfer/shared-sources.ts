/**
 * Source files to which several paths lead (`symlinks: follow`). What `after` says is done with such a file
 * once each of these paths has its copy; if one of them fails or is in conflict, the file stays. It stays
 * too where its own path is none of them: out of scope, or not looked at by this run.
 */
import { parentOf, type Stat } from '../../../core/entry.js';
import { FerryError } from '../../../core/errors.js';
import type { Plan } from '../../../jobs/plan/plan.js';
import { sameIdentity } from './after.js';

/** What is proven to be at the destination, read from `readAt` on, ms since the epoch. */
export interface Proven {
  readonly path: string;
  readonly seen: Pick<Stat, 'size' | 'mtime' | 'identity'>;
  readonly readAt: number;
}

export class SharedSources {
  /** By the source's path, the copies that are still to come and those that are proven; only files with more than one. */
  readonly #shared = new Map<string, { left: number; proven: Proven[] }>();

  /** Source files whose own path is one of those that lead to them. */
  readonly #own = new Set<string>();
  /** What the source has at paths that are in conflict. */
  readonly #inConflict: ReadonlySet<string>;

  /** `only`: the source is this one file, under whatever name it gets. */
  constructor(
    { copies, equal, conflicts }: Pick<Plan, 'copies' | 'equal' | 'conflicts'>,
    only: string | undefined,
  ) {
    this.#inConflict = new Set(conflicts.map(({ path, from = path }) => from));
    const counts = new Map<string, number>();
    const add = ({ path, from }: { readonly path: string; readonly from: string }) => {
      counts.set(from, (counts.get(from) ?? 0) + 1);
      if (path === from || from === only) this.#own.add(from);
    };
    for (const copy of copies) if (copy.action === 'copy') add(copy);
    for (const one of equal) if (one.readAt !== undefined) add(one);
    for (const [from, left] of counts) if (left > 1) this.#shared.set(from, { left, proven: [] });
  }

  /**
   * Notes that one path has its copy. Returns what is proven of the file once all paths have theirs, under
   * its own path if that is one of them; undefined before. Throws `changed` if it was another file meanwhile.
   */
  done(from: string, proven: Proven): Proven | undefined {
    if (!this.#own.has(from)) return undefined;
    for (let at = from; at !== '' && this.#inConflict.size > 0; at = parentOf(at))
      if (this.#inConflict.has(at)) return undefined;
    const shared = this.#shared.get(from);
    if (shared === undefined) return proven;
    shared.proven.push(proven);
    if (--shared.left > 0) return undefined;
    const own = shared.proven.find(({ path }) => path === from) ?? proven;
    if (!shared.proven.every(({ seen }) => isSame(seen, own.seen)))
      throw new FerryError(
        'changed',
        'it changed between the copies of the paths that lead to it, so it stays in the source',
        { path: from, hint: 'the next run copies it again' },
      );
    return { ...own, readAt: Math.min(...shared.proven.map(({ readAt }) => readAt)) };
  }
}

function isSame(a: Proven['seen'], b: Proven['seen']): boolean {
  return a.size === b.size && a.mtime === b.mtime && sameIdentity(a, b);
}
