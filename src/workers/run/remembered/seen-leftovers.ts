/**
 * Files that other writers left or are still writing at a job's destination: their size, and since when
 * they have had it. One that has not grown for a day is abandoned. Kept in
 * STATE/leftovers/<hash of the job's name>.json, which exists only while there are any. If it is lost,
 * the day begins again.
 */
import { rm } from 'node:fs/promises';
import type { Job } from '../../../core/job.js';
import { leftoversFile } from '../../../state/layout.js';
import { readSmall } from '../../../state/read-small.js';
import { writeWhole } from '../../../state/write-whole.js';
import { fingerprint } from '../fingerprint.js';

/** A file of ferryline's own at the destination, as the scan saw it. */
export interface Leftover {
  /** Relative to the root. */
  readonly path: string;
  /** Bytes, if the side tells. */
  readonly size: number | undefined;
}

/** Milliseconds without a change of size after which another writer's file is abandoned. */
const abandonedAfterMs = 24 * 3600 * 1000;
/** Files remembered at most; the day of further ones begins once there is room. */
const mostFiles = 10_000;

interface Seen {
  /** Null: the side tells none. */
  readonly size: number | null;
  /** When it was first seen with this size, ms since the epoch. */
  readonly since: number;
}

export class SeenLeftovers {
  readonly #file: string;
  /** A fingerprint of the job's two sides: what was seen between others does not count. */
  readonly #sides: string;
  readonly #known: ReadonlyMap<string, Seen>;

  private constructor(file: string, sides: string, known: ReadonlyMap<string, Seen>) {
    this.#file = file;
    this.#sides = sides;
    this.#known = known;
  }

  static open({ name, from, to, target }: Job, state: string): SeenLeftovers {
    const sides = fingerprint([from.label, from.path, to.label, to.path]);
    const file = leftoversFile(state, fingerprint(target === undefined ? [name] : [name, target]));
    const known = parse(readSmall(file), sides);
    return new SeenLeftovers(file, sides, known);
  }

  /** Whether another writer's file has not changed in size for a day, at `now` (ms since the epoch). */
  isAbandoned({ path, size }: Leftover, now: number): boolean {
    const seen = this.#known.get(path);
    return (
      seen !== undefined && seen.size === (size ?? null) && now - seen.since >= abandonedAfterMs
    );
  }

  /** Keeps what a scan at `now` found; `whole`: there are no others. A failure only starts the day later. */
  async keep(found: readonly Leftover[], whole: boolean, now: number): Promise<void> {
    const known = this.#known;
    if (found.length === 0 && (!whole || known.size === 0)) return;
    const next = new Map(whole ? [] : known);
    for (const { path, size = null } of found) {
      const before = known.get(path);
      // a clock that was set back proves no time
      const isSame = before !== undefined && before.size === size && before.since <= now;
      if (next.has(path) || next.size < mostFiles)
        next.set(path, { size, since: isSame ? before.since : now });
    }
    const files = Object.fromEntries(next);
    try {
      if (next.size === 0) await rm(this.#file, { force: true });
      else await writeWhole(this.#file, `${JSON.stringify({ sides: this.#sides, files })}\n`);
    } catch {
      // see above
    }
  }
}

/** Nothing is known where the file makes no sense. */
function parse(text: string, sides: string): Map<string, Seen> {
  const known = new Map<string, Seen>();
  try {
    const read = JSON.parse(text) as { sides?: unknown; files?: Record<string, Seen> };
    if (read.sides !== sides) return known;
    for (const [path, { size, since }] of Object.entries(read.files ?? {}))
      if ((size === null || Number.isFinite(size)) && Number.isFinite(since))
        known.set(path, { size, since });
  } catch {
    // see above
  }
  return known;
}
