/**
 * When a file has come to rest: the rule by which a watcher tells a file that is being written
 * from one that is done. It decides by what looks at the file saw, never by events, which come
 * early, twice or not at all. Pure: who looks, and when, is watch.ts.
 *
 * A file is at rest once two looks, apart by `settle` or 100 ms (the shorter), saw the same state,
 * and nothing has changed it for `settle`. Its own change time counts, so that a file which was
 * quiet before anybody looked need not wait again; a change time that can't be true does not.
 */

/** What one look at a file saw. */
export interface Look {
  readonly size: number;
  readonly mtimeMs: number;
  /** The system's own time of the last change, which no program sets. */
  readonly ctimeMs: number;
  /** Tells this file from another one put in its place. */
  readonly ino: number;
  /** Milliseconds from the newest of its times to this look by the system's clock; negative when the change time lies ahead. An mtime that lies ahead is anybody's guess and doesn't count. */
  readonly age: number;
}

interface Pending {
  state: Look;
  /** The first look that saw this state. */
  first: number;
  /** The last look. */
  last: number;
  /** When the state was reached, as far as is known. */
  since: number;
  /** When something last happened to it, as far as was told. */
  heard: number;
  /** When it is to be looked at because something happened to it. */
  again: number | undefined;
}

/** Paths kept at once; what comes on top is an overflow. */
const mostPending = 50_000;
/** Two looks that agree lie apart by at least this, ms, or by `settle` when that is less. */
const apart = 100;
/** A file that waits and changes is looked at again after this, ms, or half of `settle` when that is less. */
const soon = 1000;

/** All times are milliseconds of one clock that never goes back. */
export class Settle {
  readonly #settle: number;
  readonly #most: number;
  readonly #pending = new Map<string, Pending>();
  #rested: string[] = [];
  #overflowed = false;

  /** `settle` in ms; `most` is the number of paths that may wait at once. */
  constructor(settle: number, most = mostPending) {
    this.#settle = settle;
    this.#most = most;
  }

  /**
   * Takes note that something happened to a path, and says when it is to be looked at again;
   * undefined when it doesn't wait, so that it is to be looked at now. One that waits is not looked
   * at for every event, since a writer makes thousands, but soon enough to see the last change
   * about when it comes.
   */
  heard(path: string, now: number): number | undefined {
    const known = this.#pending.get(path);
    if (known === undefined) return undefined;
    known.heard = now;
    known.again ??= now + Math.min(this.#settle / 2, soon);
    return known.again;
  }

  /**
   * Takes note of a look; undefined when no file stands there. `changed` says that something told
   * of a change just now: at the first look its moment counts then, not the file's own time.
   */
  look(path: string, seen: Look | undefined, now: number, changed = false): void {
    if (seen === undefined) {
      this.#pending.delete(path);
      return;
    }
    const known = this.#pending.get(path);
    if (known !== undefined) known.again = undefined;
    if (known === undefined) {
      if (this.#pending.size >= this.#most) this.#overflowed = true;
      else {
        const since = changed ? now : now - Math.max(0, seen.age);
        this.#pending.set(path, {
          state: seen,
          first: now,
          last: now,
          since,
          heard: since,
          again: undefined,
        });
      }
    } else if (same(known.state, seen)) {
      known.last = now;
      // a time that lay ahead at the look before has been reached
      if (seen.age >= 0) known.since = Math.max(known.since, now - seen.age);
      if (now < this.#restsAt(known)) return;
      this.#pending.delete(path);
      this.#rested.push(path);
    } else {
      known.since = changedAt(known, seen, now);
      known.state = seen;
      known.first = now;
      known.last = now;
    }
  }

  /** Paths that are to be looked at now, and when the next one after them is due. */
  due(now: number): { readonly paths: string[]; readonly next: number | undefined } {
    const paths: string[] = [];
    let next: number | undefined;
    for (const [path, pending] of this.#pending) {
      const at = Math.min(this.#restsAt(pending), pending.again ?? Number.POSITIVE_INFINITY);
      if (at <= now) paths.push(path);
      else if (next === undefined || at < next) next = at;
    }
    return { paths, next };
  }

  /** The files that came to rest since it was last asked. */
  ready(): string[] {
    const rested = this.#rested;
    this.#rested = [];
    return rested;
  }

  /** Whether more paths came than are kept, since it was last asked; then all are forgotten, and only a whole scan knows. */
  overflow(): boolean {
    if (!this.#overflowed) return false;
    this.clear();
    return true;
  }

  /** Forgets everything. */
  clear(): void {
    this.#pending.clear();
    this.#rested = [];
    this.#overflowed = false;
  }

  #restsAt({ since, first }: Pending): number {
    return Math.max(since + this.#settle, first + Math.min(this.#settle, apart));
  }
}

/** When a change was made that was seen now: after the look before, and not before the last word of it. The file's own time may only narrow that down. */
function changedAt({ last, heard }: Pending, { age }: Look, now: number): number {
  if (age < 0) return heard > last ? heard : now;
  return Math.max(last, heard, now - age);
}

function same(a: Look, b: Look): boolean {
  return a.size === b.size && a.mtimeMs === b.mtimeMs && a.ctimeMs === b.ctimeMs && a.ino === b.ino;
}
