/** Many at once, but no more than a few. */

/** Runs `work` on every item, at most `limit` at a time, in order of start; the first rejection stops further starts and is thrown once all running ones have settled. */
export async function each<T>(
  items: Iterable<T>,
  limit: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const iterator = items[Symbol.iterator]();
  let failed = false;
  let failure: unknown;
  const lane = async () => {
    for (let next = iterator.next(); !failed && !next.done; next = iterator.next()) {
      try {
        await work(next.value);
      } catch (error) {
        if (!failed) failure = error;
        failed = true;
      }
    }
  };
  await Promise.all(Array.from({ length: limit }, lane));
  if (failed) throw failure;
}

/** All of them, settled before the first error is thrown: nothing goes on behind the caller's back. */
export async function all<T extends readonly Promise<unknown>[]>(
  ...promises: T
): Promise<{ -readonly [K in keyof T]: Awaited<T[K]> }> {
  try {
    return await Promise.all(promises);
  } catch (first) {
    for (const result of await Promise.allSettled(promises))
      if (result.status === 'rejected') throw result.reason;
    throw first;
  }
}
