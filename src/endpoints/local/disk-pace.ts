/**
 * Small system calls are made in this thread while the disk answers at once: a call costs a few
 * microseconds so, and some thirty by way of the thread pool. One slow answer sends the next few
 * hundred to the pool, so that a slow disk or network mount never holds up the event loop for
 * longer than one call in a while. However fast the disk, only so many are made in one turn of the
 * event loop: what they led to leaves meanwhile, and the server works beside us.
 */

/** Milliseconds after which a call was slow. */
const slow = 2;
/** Calls that go to the pool after a slow one. */
const detour = 256;
/** Calls made here in one turn; all that a small file takes counts as one. */
const burst = 128;

/** Makes one call with `args`, here or by way of the pool. */
export type Pace = <A extends unknown[], T>(
  here: (...args: A) => T,
  pool: (...args: A) => Promise<T>,
  ...args: A
) => Promise<T>;

export function createPace(now: () => number = () => performance.now()): Pace {
  let detours = 0;
  let made = 0;
  let counting = false;
  /** Calls that wait for the next turn. */
  let waiting: (() => void)[] = [];

  const nextTurn = () => {
    const next = waiting.slice(0, burst);
    waiting = waiting.slice(burst);
    made = next.length;
    counting = made > 0;
    if (counting) setImmediate(nextTurn);
    for (const go of next) go();
  };

  const call: Pace = (here, pool, ...args) => {
    if (detours > 0) {
      detours--;
      return pool(...args);
    }
    const start = now();
    try {
      return Promise.resolve(here(...args));
    } catch (error) {
      return Promise.reject(error);
    } finally {
      if (now() - start > slow) detours = detour;
    }
  };

  return (here, pool, ...args) => {
    if (!counting) {
      counting = true;
      setImmediate(nextTurn);
    }
    if (made < burst) {
      made++;
      return call(here, pool, ...args);
    }
    return new Promise<void>((go) => waiting.push(go)).then(() => call(here, pool, ...args));
  };
}
