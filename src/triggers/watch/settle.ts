/**
 * When a file has come to rest: the rule by which a watch tells a file that is being written from
 * one that is complete. It decides by the states that looks at the file saw, never by events, which
 * come early, twice or not at all. Pure: changed-files.ts looks, and decides when.
 *
 * A file is at rest once two looks, apart by `settle` or 100 ms (the shorter), saw the same state,
 * and nothing has changed it for `settle`. Its own change time counts, so that a file which was
 * quiet before the first look need not wait again; a change time that can't be true does not count.
 */

/** The state of a file that one look saw. */
export interface FileState {
  readonly size: number;
  readonly mtimeMs: number;
  /** The system's own time of the last change, which no program can set. */
  readonly ctimeMs: number;
  /** Differs for another file put in its place. */
  readonly ino: number;
  /** Milliseconds from the newest of its times to this look, by the system's clock; negative when the change time is in the future. An mtime in the future doesn't count. */
  readonly age: number;
}

interface PendingFile {
  state: FileState;
  /** The first look that saw this state. */
  first: number;
  /** The last look. */
  last: number;
  /** When the file reached this state, as far as is known. */
  since: number;
  /** When the last event of it came. */
  lastEvent: number;
  /** When to look at it because of an event. */
  again: number | undefined;
}

/** Paths kept at once; one more is an overflow. */
const mostPending = 50_000;
/** Two looks that agree are at least this far apart, or `settle` if that is less. */
const betweenLooksMs = 100;
/** A pending file is looked at this long after an event, or half of `settle` if that is less. */
const afterEventMs = 1000;

/** All times are milliseconds on one clock that never goes back. */
export class Settle {
  readonly #settle: number;
  readonly #most: number;
  readonly #pending = new Map<string, PendingFile>();
  #rested: string[] = [];
  #overflowed = false;

  /** `settle` in ms; `most` is the number of paths that may be pending at once. */
  constructor(settle: number, most = mostPending) {
    this.#settle = settle;
    this.#most = most;
  }

  /**
   * Notes an event of a path. Returns when to look at it again; undefined for a path that is not
   * pending, which must be looked at now. A pending path is not looked at after every event, since a
   * writer makes thousands, but soon enough to see the last change about when it is made.
   */
  noteEvent(path: string, now: number): number | undefined {
    const known = this.#pending.get(path);
    if (known === undefined) return undefined;
    known.lastEvent = now;
    known.again ??= now + Math.min(this.#settle / 2, afterEventMs);
    return known.again;
  }

  /**
   * Notes what a look saw; undefined when no file exists there. `changed` says that an event reported
   * a change just now: at the first look, that moment counts and not the file's own time.
   */
  look(path: string, seen: FileState | undefined, now: number, changed = false): void {
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
          lastEvent: since,
          again: undefined,
        });
      }
    } else if (same(known.state, seen)) {
      known.last = now;
      // a time that was in the future at the previous look has been reached
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

  /** The paths to look at now, and when the next path after them is due. */
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

  /** The files that have come to rest since the last call. */
  ready(): string[] {
    const rested = this.#rested;
    this.#rested = [];
    return rested;
  }

  /** Whether more paths came than can be kept, since the last call. If so, all are forgotten, and only a whole scan finds them. */
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

  #restsAt({ since, first }: PendingFile): number {
    return Math.max(since + this.#settle, first + Math.min(this.#settle, betweenLooksMs));
  }
}

/** When a change that was just seen was made: after the previous look, and not before the last event. The file's own time can only narrow that down. */
function changedAt({ last, lastEvent }: PendingFile, { age }: FileState, now: number): number {
  if (age < 0) return lastEvent > last ? lastEvent : now;
  return Math.max(last, lastEvent, now - age);
}

function same(a: FileState, b: FileState): boolean {
  return a.size === b.size && a.mtimeMs === b.mtimeMs && a.ctimeMs === b.ctimeMs && a.ino === b.ino;
}
