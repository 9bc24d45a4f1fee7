/**
 * Small system calls are made in this thread while the disk answers at once: a call costs a few
 * microseconds so, and some thirty by way of the thread pool. One slow answer sends the next few
 * hundred to the pool, so that a slow disk or network mount never holds up the event loop for
 * longer than one call in a while.
 */

/** Milliseconds after which a call was slow. */
const slow = 2;
/** Calls that go to the pool after a slow one. */
const detour = 256;

/** Makes one call, here or by way of the pool. */
export type Pace = <T>(here: () => T, pool: () => Promise<T>) => Promise<T>;

export function createPace(now: () => number = () => performance.now()): Pace {
  let detours = 0;
  return (here, pool) => {
    if (detours > 0) {
      detours--;
      return pool();
    }
    const start = now();
    try {
      return Promise.resolve(here());
    } catch (error) {
      return Promise.reject(error);
    } finally {
      if (now() - start > slow) detours = detour;
    }
  };
}
