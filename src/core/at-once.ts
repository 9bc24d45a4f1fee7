/** Async work with a concurrency limit: a budget, a list of items, a tree, one look for all who ask. */
import { abortable } from './abort.js';

/** A budget of `size` units that work takes and gives back; takers wait in order of arrival. */
export class Budget {
  readonly size: number;
  #free: number;
  readonly #waiting: { readonly units: number; readonly go: () => void }[] = [];

  constructor(size: number) {
    this.size = size;
    this.#free = size;
  }

  /** Takes units if enough are free and nobody waits; returns whether it did. */
  tryTake(units: number): boolean {
    const wanted = Math.min(units, this.size);
    if (this.#waiting.length > 0 || wanted > this.#free) return false;
    this.#free -= wanted;
    return true;
  }

  /** Takes units, waiting for them if need be; more than the whole budget counts as the whole budget. */
  async take(units: number): Promise<void> {
    if (this.tryTake(units)) return;
    await new Promise<void>((go) => this.wait(units, go));
  }

  /** Takes units once they are free, and calls `go`. Returns a function that ends the wait. */
  wait(units: number, go: () => void): () => void {
    const waiter = { units: Math.min(units, this.size), go };
    this.#waiting.push(waiter);
    return () => {
      const at = this.#waiting.indexOf(waiter);
      if (at >= 0) this.#waiting.splice(at, 1);
    };
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

/** Takes a unit of the first of these budgets that has one; resolves to the function that gives it back. Rejects with the signal's reason. */
export async function takeFirst(
  budgets: readonly Budget[],
  signal: AbortSignal,
): Promise<() => void> {
  const found = budgets.find((budget) => budget.tryTake(1));
  if (found !== undefined) return () => found.give(1);
  return abortable(signal, (resolve) => {
    const ends = budgets.map((budget) =>
      budget.wait(1, () => {
        end();
        resolve(() => budget.give(1));
      }),
    );
    const end = () => {
      for (const one of ends) one();
    };
    return end;
  });
}

/** Requests at once on a line of this round trip (ms): `least`, and 15 more for each ms of a long line, which they fill together; 1,000 at most. */
export function requestsAtOnce(roundTripMs: number, least = 128): number {
  return roundTripMs < 5 ? least : Math.min(1000, least + Math.round(roundTripMs * 15));
}

/** Runs `work` on every item, started in order, at most `limit` at a time. After a rejection nothing more starts; it is thrown once all running work has settled. */
export async function each<T>(
  items: Iterable<T>,
  limit: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const iterator = items[Symbol.iterator]();
  let failed = false;
  let failure: unknown;
  let isOver = false;
  const take = () => {
    const next = iterator.next();
    isOver ||= next.done === true;
    return next;
  };
  const lane = async () => {
    for (let next = take(); !failed && !next.done; next = take()) {
      try {
        await work(next.value);
      } catch (error) {
        if (!failed) failure = error;
        failed = true;
      }
    }
  };
  const lanes: Promise<void>[] = [];
  // each lane begins at once: of a thousand, a few items need a few
  while (lanes.length < limit && !isOver && !failed) lanes.push(lane());
  await Promise.all(lanes);
  if (failed) throw failure;
}

/** `Promise.all` that throws only after every promise has settled, so that no work goes on unnoticed. */
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

/** Visits `root` and the tasks that each visit returns, at most `atOnce()` at a time. Rejects on the first error; visits that are running then go on. */
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

/**
 * Makes one look serve all who ask before it begins; those who ask while it goes on share the next one.
 * Each gets an answer that is newer than its question.
 */
export function sharedLook<T>(look: () => Promise<T>): () => Promise<T> {
  let current: Promise<unknown> = Promise.resolve();
  let next: Promise<T> | undefined;
  const begin = () => {
    next = undefined;
    const begun = look();
    current = begun;
    return begun;
  };
  return () => {
    next ??= current.then(begin, begin);
    return next;
  };
}
