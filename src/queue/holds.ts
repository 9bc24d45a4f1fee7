/**
 * What this process holds in the queue (runs it carries out, permits), kept by extending locks in
 * time. Each hold knows until when it is certainly ours: counted from before the request that got or
 * extended the lock was sent, on a clock that includes the time a process is stopped and on one that
 * includes the time a machine is suspended. After that another process may have taken it over.
 */

/** How long a lock lasts unless it is extended; then another process may take what it protects. */
export const lockMs = 15_000;
/** Time between two searches for locks that have expired. */
export const stalledCheckMs = 5000;
/** What the end of an entry could not be recorded for lack of a connection is tried again after this time, well within the lock. */
export const recordAgainMs = 1000;
/** A number of attempts or stalls that no entry reaches, small enough for every store's integers. */
export const unlimited = 2_000_000_000;
const extendEveryMs = lockMs / 3;

export interface Hold {
  /** Aborted with `reason()` when another process has, or may have, taken it over. */
  readonly lost: AbortSignal;
  /** Whether it is certainly ours at this moment. */
  isOurs(): boolean;
  /** Stops extending the lock. */
  drop(): void;
}

/** One moment on both clocks. */
export interface Moment {
  readonly wall: number;
  readonly steady: number;
}

export const currentMoment = (): Moment => ({ wall: Date.now(), steady: performance.now() });

/**
 * Keeps one lock. `extend` asks the store for more time and resolves to false when the lock is no
 * longer ours; when it rejects (the store is unreachable) it is called again until the time is over.
 */
export function keepHold(since: Moment, extend: () => Promise<boolean>, reason: () => Error): Hold {
  const lost = new AbortController();
  let extended = since;
  let timer: NodeJS.Timeout | undefined;
  const isFresh = () =>
    Date.now() - extended.wall < lockMs && performance.now() - extended.steady < lockMs;
  const lose = () => {
    clearTimeout(timer);
    if (!lost.signal.aborted) lost.abort(reason());
  };
  const tick = async () => {
    if (!isFresh()) return lose();
    const asked = currentMoment();
    let ours = true;
    try {
      // An answer that arrives too late counts as none.
      const late = new Promise<undefined>((none) => {
        setTimeout(() => none(undefined), extendEveryMs).unref();
      });
      const answer = await Promise.race([extend(), late]);
      ours = answer !== false;
      if (answer === true) extended = asked;
    } catch {
      // The store is unreachable, perhaps only for a moment.
    }
    if (!ours) return lose();
    schedule();
  };
  let dropped = false;
  const schedule = () => {
    if (dropped) return;
    timer = setTimeout(() => void tick(), extendEveryMs);
  };
  schedule();
  return {
    lost: lost.signal,
    isOurs: () => {
      if (!dropped && !lost.signal.aborted && !isFresh()) lose();
      return !lost.signal.aborted;
    },
    drop() {
      dropped = true;
      clearTimeout(timer);
    },
  };
}
