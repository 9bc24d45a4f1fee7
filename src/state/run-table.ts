/** Ended runs in memory, as the index has them: in order, and by job. */
import type { IndexedRun, RunLine } from './run-line.js';

export interface NewestOptions {
  /** Only runs of this job; absent: of every job. */
  readonly job?: string | undefined;
  readonly limit: number;
  /** Only runs with a smaller id; of a run and its job: only what comes after it in the list. */
  readonly before?: string | RunKey | undefined;
  /** Whether runs that changed nothing count, too. */
  readonly idle: boolean;
}

/** Sorted by run, then by job: two jobs may have runs of one id. */
type Runs = IndexedRun[];

export class RunTable {
  readonly #all: Runs = [];
  readonly #ofJob = new Map<string, Runs>();

  get size(): number {
    return this.#all.length;
  }

  /** Takes in a line of the index; the later line of a run counts. */
  apply(line: RunLine): void {
    const own = this.#ofJob.get(line.job);
    if ('gone' in line) {
      if (own === undefined || !remove(own, line)) return;
      remove(this.#all, line);
      if (own.length === 0) this.#ofJob.delete(line.job);
      return;
    }
    // The names of a job and of an outcome are one text in memory, however many runs have it.
    const run = { ...line, job: own?.[0]?.job ?? line.job };
    put(this.#all, run);
    if (own === undefined) this.#ofJob.set(run.job, [run]);
    else put(own, run);
  }

  /** The newest runs, newest first. */
  newest({ job, limit, before, idle }: NewestOptions): IndexedRun[] {
    const runs = this.#of(job);
    const found: IndexedRun[] = [];
    const end = before === undefined ? runs.length : placeOf(runs, keyOf(before));
    for (let at = end - 1; at >= 0 && found.length < limit; at--) {
      const run = runs[at] as IndexedRun;
      if (idle || !run.idle) found.push(run);
    }
    return found;
  }

  /** The newest run of a job that was no dry run; with `succeeded`, that succeeded. */
  last(job: string, outcome?: 'succeeded'): IndexedRun | undefined {
    const runs = this.#of(job);
    for (let at = runs.length - 1; at >= 0; at--) {
      const run = runs[at] as IndexedRun;
      if (run.dryRun !== true && (outcome === undefined || run.outcome === outcome)) return run;
    }
    return undefined;
  }

  /** How many runs that changed nothing there are, of one job or all, after a run. */
  countIdle(job: string | undefined, since = ''): number {
    const runs = this.#of(job);
    let count = 0;
    for (let at = runs.length - 1; at >= 0; at--) {
      const { run, idle } = runs[at] as IndexedRun;
      if (run <= since) break;
      if (idle) count++;
    }
    return count;
  }

  /** The runs of that id; more than one only if jobs share it. */
  named(run: string): IndexedRun[] {
    const found: IndexedRun[] = [];
    for (let at = placeOf(this.#all, { run, job: '' }); this.#all[at]?.run === run; at++)
      found.push(this.#all[at] as IndexedRun);
    return found;
  }

  /** All runs, oldest first. */
  all(): readonly IndexedRun[] {
    return this.#all;
  }

  hasJob(job: string): boolean {
    return this.#ofJob.has(job);
  }

  #of(job: string | undefined): readonly IndexedRun[] {
    return job === undefined ? this.#all : (this.#ofJob.get(job) ?? []);
  }
}

/** What names a run for good: two jobs may have runs of one id. */
export type RunKey = Pick<IndexedRun, 'run' | 'job'>;

function keyOf(before: string | RunKey): RunKey {
  return typeof before === 'string' ? { run: before, job: '' } : before;
}

/** Whether a run comes before another where the oldest is first. */
export function isBefore(one: RunKey, other: RunKey): boolean {
  return one.run < other.run || (one.run === other.run && one.job < other.job);
}

/** Where the run is, or would be. Most come after all others. */
function placeOf(runs: readonly IndexedRun[], key: RunKey): number {
  let low = 0;
  let high = runs.length;
  const last = runs[high - 1];
  if (last !== undefined && isBefore(last, key)) return high;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (isBefore(runs[middle] as IndexedRun, key)) low = middle + 1;
    else high = middle;
  }
  return low;
}

function put(runs: Runs, run: IndexedRun): void {
  const at = placeOf(runs, run);
  runs.splice(at, isAt(runs, at, run) ? 1 : 0, run);
}

function remove(runs: Runs, key: RunKey): boolean {
  const at = placeOf(runs, key);
  if (!isAt(runs, at, key)) return false;
  runs.splice(at, 1);
  return true;
}

function isAt(runs: Runs, at: number, key: RunKey): boolean {
  const found = runs[at];
  return found !== undefined && found.run === key.run && found.job === key.job;
}
