/**
 * Makes small system calls in this thread while the disk is fast: a synchronous call takes a few
 * microseconds, one through the thread pool about thirty. After a slow call the next few hundred go
 * through the pool, so that a slow disk or network mount holds up the event loop for one call at a
 * time. Even on a fast disk the calls in one turn of the event loop are limited, so that requests
 * that follow from them are sent meanwhile and the server works in parallel.
 */

/** A call that takes longer is slow. */
const slowCallMs = 2;
/** This many calls go through the pool after a slow one. */
const callsInPool = 256;
/** Further calls wait for the next turn; all that a small file needs counts as one call. */
const callsPerTurn = 128;

export class DiskPace {
  readonly #now: () => number;
  #leftInPool = 0;
  #madeInTurn = 0;
  #counting = false;
  /** Calls that wait for a later turn. */
  #waiting: (() => void)[] = [];

  /** `now` is a clock in milliseconds. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** Makes one call with `args`: `here` in this thread, or `pool` through the thread pool. */
  call<A extends unknown[], T>(
    here: (...args: A) => T,
    pool: (...args: A) => Promise<T>,
    ...args: A
  ): Promise<T> {
    if (!this.#counting) {
      this.#counting = true;
      setImmediate(this.#nextTurn);
    }
    if (this.#madeInTurn < callsPerTurn) {
      this.#madeInTurn++;
      return this.#callNow(here, pool, args);
    }
    return new Promise<void>((go) => this.#waiting.push(go)).then(() =>
      this.#callNow(here, pool, args),
    );
  }

  #callNow<A extends unknown[], T>(
    here: (...args: A) => T,
    pool: (...args: A) => Promise<T>,
    args: A,
  ): Promise<T> {
    if (this.#leftInPool > 0) {
      this.#leftInPool--;
      return pool(...args);
    }
    const start = this.#now();
    try {
      return Promise.resolve(here(...args));
    } catch (error) {
      return Promise.reject(error);
    } finally {
      if (this.#now() - start > slowCallMs) this.#leftInPool = callsInPool;
    }
  }

  readonly #nextTurn = () => {
    const next = this.#waiting.slice(0, callsPerTurn);
    this.#waiting = this.#waiting.slice(callsPerTurn);
    this.#madeInTurn = next.length;
    this.#counting = next.length > 0;
    if (this.#counting) setImmediate(this.#nextTurn);
    for (const go of next) go();
  };
}
