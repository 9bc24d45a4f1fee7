/** Async work done many at a time, within a limit: a budget, a list of items, a tree. */

/** A budget of `size` units that work takes from and gives back; takers wait in line. */
export class Budget {
  readonly size: number;
  #free: number;
  readonly #waiting: { readonly units: number; readonly go: () => void }[] = [];

  constructor(size: number) {
    this.size = size;
    this.#free = size;
  }

  /** Takes units without waiting, where there are enough and nobody waits for them. */
  tryTake(units: number): boolean {
    const wanted = Math.min(units, this.size);
    if (this.#waiting.length > 0 || wanted > this.#free) return false;
    this.#free -= wanted;
    return true;
  }

  /** Takes units; more than the whole budget counts as the whole budget. */
  async take(units: number): Promise<void> {
    if (this.tryTake(units)) return;
    const wanted = Math.min(units, this.size);
    await new Promise<void>((go) => this.#waiting.push({ units: wanted, go }));
  }

  give(units: number): void {
    this.#free += Math.min(units, this.size);
    for (let next = this.#waiting[0]; next && next.units <= this.#free; next = this.#waiting[0]) {
      this.#waiting.shift();
      this.#free -= next.units;
      next.go();
    }
  }
}

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

/** Visits `root` and whatever each visit finds to visit next, at most `atOnce()` at a time; the first error ends it. */
export function walk<T>(
  root: T,
  atOnce: () => number,
  visit: (task: T) => Promise<T[]>,
): Promise<void> {
  return new Promise((resolve, reject) => {
    // a stack: depth first keeps it short
    const open: T[] = [root];
    let running = 0;
    let failed = false;
    const pump = () => {
      while (!failed && running < atOnce()) {
        const task = open.pop();
        if (task === undefined) break;
        running++;
        visit(task).then(
          (next) => {
            running--;
            for (let i = next.length - 1; i >= 0; i--) open.push(next[i] as T);
            pump();
          },
          (error) => {
            failed = true;
            reject(error);
          },
        );
      }
      if (running === 0 && open.length === 0) resolve();
    };
    pump();
  });
}
