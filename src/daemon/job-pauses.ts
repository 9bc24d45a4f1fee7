/** Which jobs are paused, by themselves, by one of their remotes or with all others, and when they may run again. */
import type { Job } from '../core/job.js';
import { keysOf, longestOf, type Pause } from '../core/pause.js';
import type { Remote } from '../core/remote.js';
import type { Pauses } from '../queue/pauses.js';
import { remotesOf } from '../workers/run/run-job.js';

export interface JobPausesParts {
  readonly pauses: Pick<Pauses, 'holding'>;
  readonly jobs: () => ReadonlyMap<string, Job>;
}

/** The longest wait for the end of a pause, in milliseconds, so that a jump of the clock is noticed. */
const longestWaitMs = 30_000;

export class JobPauses {
  readonly #parts: JobPausesParts;
  /** The jobs that were held at the last look. */
  #held: ReadonlySet<string> = new Set();
  #onResumed: ((job: string) => void) | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(parts: JobPausesParts) {
    this.#parts = parts;
  }

  /** The pause that keeps runs of a job from starting; of several the one that ends last. */
  readonly of = (name: string): Pause | undefined => {
    const job = this.#parts.jobs().get(name);
    const remotes = job === undefined ? [] : allRemotesOf(job);
    return longestOf(this.#parts.pauses.holding(keysOf(name, remotes)));
  };

  /** From now on `onResumed` is called with each job that may run again. */
  begin(onResumed: (job: string) => void): void {
    this.#onResumed = onResumed;
    this.look();
  }

  /** Looks which jobs may run again. It is called after every change of the pauses and of jobs.yml, and by itself when a pause ends. */
  look(): void {
    if (this.#onResumed === undefined) return;
    clearTimeout(this.#timer);
    const jobs = this.#parts.jobs();
    const before = this.#held;
    this.#held = new Set([...jobs.keys()].filter((job) => this.of(job) !== undefined));
    for (const job of before) if (!this.#held.has(job) && jobs.has(job)) this.#onResumed(job);
    const ends = this.#parts.pauses.holding().flatMap(({ until }) => until ?? []);
    if (ends.length === 0) return;
    const wait = Math.min(Math.max(0, Math.min(...ends) - Date.now()), longestWaitMs);
    this.#timer = setTimeout(() => this.look(), wait);
    this.#timer.unref();
  }

  close(): void {
    this.#onResumed = undefined;
    clearTimeout(this.#timer);
  }
}

/** The names of the remotes that a job uses, jump hosts included. */
function allRemotesOf(job: Job): Set<string> {
  const names = new Set<string>();
  for (const used of remotesOf(job))
    for (let remote: Remote | undefined = used; remote !== undefined; remote = remote.jump)
      names.add(remote.name);
  return names;
}
