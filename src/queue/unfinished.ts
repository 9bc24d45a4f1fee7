/**
 * Which runs of a job have not ended, as this process knows it from its own requests and the other
 * processes' signals: a request looks at these few entries instead of listing a queue. A signal may
 * be lost, so whoever goes by it asks the store for each run first.
 */

/** An unfinished run, and the queue that holds it. */
export interface Place {
  readonly run: string;
  readonly job: string;
  /** The name of the workers that may take it; undefined: any worker. */
  readonly worker: string | undefined;
}

/** Places of ended runs that are remembered, so that their reports are found at the first look. */
const endedRemembered = 5000;

export class UnfinishedRuns {
  readonly #places = new Map<string, Place>();
  readonly #runsOfJob = new Map<string, Set<string>>();
  readonly #ended = new Map<string, Place>();

  /** A run that was already known moves to its new place. */
  add(place: Place): void {
    this.#places.set(place.run, place);
    const runs = this.#runsOfJob.get(place.job) ?? new Set();
    this.#runsOfJob.set(place.job, runs.add(place.run));
  }

  ended(run: string): void {
    const place = this.#places.get(run);
    if (place === undefined) return;
    this.#places.delete(run);
    const runs = this.#runsOfJob.get(place.job);
    runs?.delete(run);
    if (runs?.size === 0) this.#runsOfJob.delete(place.job);
    this.#ended.set(run, place);
    const [oldest] = this.#ended.keys();
    if (this.#ended.size > endedRemembered && oldest !== undefined) this.#ended.delete(oldest);
  }

  /** The unfinished runs of a job, the one that became known last first. */
  ofJob(job: string): Place[] {
    const runs = [...(this.#runsOfJob.get(job) ?? [])];
    return runs.reverse().flatMap((run) => this.#places.get(run) ?? []);
  }

  /** Where a run is, or was when it ended. */
  placeOf(run: string): Place | undefined {
    return this.#places.get(run) ?? this.#ended.get(run);
  }

  has(run: string): boolean {
    return this.#places.has(run);
  }

  all(): Place[] {
    return [...this.#places.values()];
  }

  /** Takes over a listing of the store; `before` are the runs known before it was made, of which the others have ended. */
  fill(before: readonly Place[], listed: readonly Place[]): void {
    const found = new Set(listed.map(({ run }) => run));
    for (const { run } of before) if (!found.has(run)) this.ended(run);
    for (const place of listed) this.add(place);
  }
}
