/**
 * What this process holds in the queue (runs it carries out, permits), kept by extending the locks
 * in time. Each hold knows until when it is surely ours: counted from before the request that got
 * or extended it was sent, on a clock that counts a stopped process's time and on one that counts a
 * suspended machine's. Past that moment another process may have taken it over.
 */

/** Milliseconds a lock lasts. */
export const lockDuration = 15_000;
/** Milliseconds between two looks for locks that ran out. */
export const stalledInterval = 5000;
/** As often as need be: a number of attempts or of stalls that no entry reaches, within every store's integers. */
export const endless = 2_000_000_000;
const extendEvery = lockDuration / 3;

export interface Hold {
  /** Aborted, with the reason given to `Holds`, when it was taken over or may have been. */
  readonly lost: AbortSignal;
  /** Whether it is surely ours at this moment. */
  isOurs(): boolean;
  /** Stops extending it. */
  drop(): void;
}

interface Moment {
  readonly wall: number;
  readonly steady: number;
}

const moment = (): Moment => ({ wall: Date.now(), steady: performance.now() });

/**
 * Keeps one lock. `extend` asks the store for more time and resolves to false when it is no longer
 * ours; when it rejects (the store can't be reached) it is asked again until the time is over.
 */
export function keepHold(
  since: Moment | undefined,
  extend: () => Promise<boolean>,
  reason: () => Error,
): Hold {
  const lost = new AbortController();
  let got = since ?? moment();
  let timer: NodeJS.Timeout | undefined;
  const isFresh = () =>
    Date.now() - got.wall < lockDuration && performance.now() - got.steady < lockDuration;
  const lose = () => {
    clearTimeout(timer);
    if (!lost.signal.aborted) lost.abort(reason());
  };
  const tick = async () => {
    if (!isFresh()) return lose();
    const asked = moment();
    let ours = true;
    try {
      // An answer that comes too late is none.
      const late = new Promise<undefined>((none) => {
        setTimeout(() => none(undefined), extendEvery).unref();
      });
      const answer = await Promise.race([extend(), late]);
      ours = answer !== false;
      if (answer === true) got = asked;
    } catch {
      // The store can't be reached: it may be again before the time is over.
    }
    if (!ours) return lose();
    schedule();
  };
  let dropped = false;
  const schedule = () => {
    if (dropped) return;
    timer = setTimeout(() => void tick(), extendEvery);
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
