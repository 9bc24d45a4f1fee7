/** Runs that this process gave back because a permit was missing: the oldest is called back when that permit is released. */
import type { Job as Entry } from 'bullmq';

/** Milliseconds after which a parked run comes back by itself, and the longest such wait, when many wait for the same. */
const [shortestMs, longestMs] = [5000, 60_000];
/** Nobody calls back what waits for the lock that a run by hand holds: it looks by itself after this time, ms. */
const lookForLockMs = 1000;
/** So many runs that wait for the same permit come back within the shortest time, and so many more for each further one. */
const manyRuns = 10;

interface Waiting {
  readonly entry: Entry;
  /** When it comes back by itself, on the clock of `performance.now()`. */
  readonly dueAt: number;
}

export class Parked {
  /** By permit, the oldest first. */
  readonly #waiting = new Map<string, Waiting[]>();
  /** When each permit was released last, on the clock of `performance.now()`. */
  readonly #releasedAt = new Map<string, number>();

  /** Gives a run back until the permit may be free. `since`: when it was taken, on the same clock. Rejects while the store is out of reach. */
  async add(entry: Entry, token: string, permit: string, since: number): Promise<void> {
    const others = this.#others(permit, entry).length;
    const soonestMs = permit === 'lock' ? lookForLockMs : shortestMs;
    const afterMs = Math.min(soonestMs * (1 + Math.floor(others / manyRuns)), longestMs);
    const progress = entry.progress as { readonly waitsFor?: string };
    if (progress?.waitsFor !== permit) await entry.updateProgress({ waitsFor: permit });
    await entry.moveToDelayed(Date.now() + afterMs, token);
    // Read anew: others came and went meanwhile.
    const dueAt = performance.now() + afterMs;
    this.#waiting.set(permit, [...this.#others(permit, entry), { entry, dueAt }]);
    // It was released after the run had asked for it.
    if ((this.#releasedAt.get(permit) ?? 0) > since) await this.released(permit);
  }

  /** What else waits for a permit, and does not come back by itself first. */
  #others(permit: string, entry: Entry): Waiting[] {
    const now = performance.now();
    const waiting = this.#waiting.get(permit) ?? [];
    return waiting.filter((one) => one.dueAt > now && one.entry.id !== entry.id);
  }

  /** The permits that runs wait for, as far as this process parked them. */
  names(): string[] {
    const now = performance.now();
    return [...this.#waiting].flatMap(([name, waiting]) =>
      waiting.some(({ dueAt }) => dueAt > now) ? [name] : [],
    );
  }

  /** Calls back the oldest run that waits for this permit. Never rejects: each comes back by itself in the end. */
  async released(permit: string): Promise<void> {
    this.#releasedAt.set(permit, performance.now());
    const next = () => this.#waiting.get(permit)?.shift();
    for (let oldest = next(); oldest !== undefined; oldest = next()) {
      // Another process may have taken it, or it was removed.
      const isBack = await oldest.entry.promote().then(
        () => true,
        () => false,
      );
      if (isBack) return;
    }
    this.#waiting.delete(permit);
  }
}
