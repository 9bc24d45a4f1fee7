/**
 * Carries out runs from the queue, several at once. It surrounds each run with what keeps it apart
 * from others: the job's permit and its lock on this machine, so that runs of one job never
 * overlap, and the logins of its remotes. It returns to the queue what is to become of the run.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { abortable } from '../core/abort.js';
import { Budget } from '../core/at-once.js';
import { Cancelled, FerryError } from '../core/errors.js';
import type { Emit, Report, Trigger } from '../core/events.js';
import type { Job } from '../core/job.js';
import type { Permit, TakePermit } from '../core/permit.js';
import { present } from '../core/present.js';
import type { Assignment, AttemptEnd, ListenToRun, RunRequest } from '../core/request.js';
import { count } from '../core/text.js';
import { isOpen, nextEdge } from '../core/window.js';
import type { SessionPool } from '../endpoints/sftp/pool.js';
import { acquireJobLock, type Lock } from '../state/lock.js';
import { backoffAfter, worthAnotherAttempt } from './attempts.js';
import type { Logins } from './logins.js';
import { reportOfRequest } from './run/report.js';
import { remotesOf } from './run/run-job.js';
import { runTargets } from './run/run-targets.js';
import { windowEndOf } from './window-end.js';

export interface WorkerOptions {
  readonly pool: SessionPool;
  /** The state folder. */
  readonly state: string;
  /** The id of the queue's installation; undefined for an embedded queue. */
  readonly installation: string | undefined;
  /** The worker's name in reports: `NAME@HOST` or `HOST`. */
  readonly name: string;
  readonly logins: Logins;
  readonly takePermit: TakePermit;
  /** Runs carried out at once; further ones wait for their turn and keep their permits. */
  readonly atOnce: number;
  /** The job as it is defined now. */
  readonly jobNamed: (name: string) => Job | undefined;
  readonly isPaused: (name: string) => boolean;
  /** Starts listening to a run's events. */
  readonly listen: ListenToRun;
  /** Takes secrets out of a report before it leaves the worker. */
  readonly redact: (report: Report) => Report;
  /** Keeps the report of an attempt. */
  readonly keep: (report: Report) => Promise<void>;
}

/** Milliseconds between two tries for a lock that `ferryline run` holds. */
const lockRetryMs = 500;

/** Failed attempts kept; a run whose attempt was dropped does all its targets again. */
const mostFailedKept = 100;

/** What a run holds while it is carried out. */
interface Held {
  /** The job's permit: while it is ours, no other run of the job is carried out anywhere. */
  readonly permit: Permit;
  /** Gives everything back. */
  release(): Promise<void>;
}

export class RunWorker {
  readonly #options: WorkerOptions;
  readonly #turns: Budget;
  readonly #active = new Map<string, { request: RunRequest; cancel: AbortController }>();
  readonly #stopping = new AbortController();
  /** Failed attempts of which another follows, by run: here, or at another worker, which knows nothing of them. */
  readonly #failed = new Map<string, { readonly job: Job; readonly report: Report }>();

  constructor(options: WorkerOptions) {
    this.#options = options;
    this.#turns = new Budget(options.atOnce);
  }

  /** Carries out one attempt of a run. Rejects only if the run was lost to another worker. */
  async carryOut(assignment: Assignment): Promise<AttemptEnd> {
    const { request, attempt, attempts, lost, isOurs } = assignment;
    const { jobNamed, isPaused, listen, redact, keep } = this.#options;
    const closed = this.#closedWindow(request);
    if (closed !== undefined) return closed;
    const cancel = new AbortController();
    this.#active.set(request.run, { request, cancel });
    const { emit, end } = listen(request);
    try {
      const job = jobNamed(request.job);
      let report: Report | 'overtaken' | 'held';
      if (job === undefined) report = this.#notRun(request, job, attempt, gone(request.job), emit);
      else if (request.cancelled === true || isPaused(request.job))
        report = this.#notRun(request, job, attempt, new Cancelled(130), emit);
      else report = await this.#attempt(job, assignment, cancel.signal, emit);
      if (!isOurs() || lost.aborted) throw lost.reason;
      // another run of the job may be active elsewhere; this one starts again once that has ended
      if (report === 'overtaken') return { next: 'return' };
      if (report === 'held') return this.#closedWindow(request) ?? { next: 'return' };
      const isStopped = this.#stopping.signal.aborted && !cancel.signal.aborted;
      if (report.outcome === 'cancelled' && isStopped) return { next: 'return' };
      report = redact(report);
      await keep(report);
      if (job !== undefined && report.stoppedBy === 'window') {
        this.#keepFailed(job, report);
        return this.#closedWindow(request) ?? { next: 'wait', until: Date.now() };
      }
      if (job !== undefined && attempt < attempts && worthAnotherAttempt(report)) {
        // half of the wait is random, so that runs that failed together do not come back together
        const after = backoffAfter(attempt, job.starts.retry) * (0.5 + Math.random() / 2);
        this.#keepFailed(job, report);
        return { next: 'retry', after: Math.round(after), why: reasonOf(report) };
      }
      return { next: 'end', report };
    } finally {
      this.#active.delete(request.run);
      await end();
    }
  }

  /** Stops a run; returns false if it is not active here. */
  cancel(run: string): boolean {
    const found = this.#active.get(run);
    found?.cancel.abort(new Cancelled(130));
    return found !== undefined;
  }

  /** Whether another attempt follows this report. */
  hasMore(report: Report): boolean {
    const job = this.#options.jobNamed(report.job);
    if (report.stoppedBy === 'window') return job !== undefined;
    return (
      job !== undefined && report.attempt < attemptsOf(report, job) && worthAnotherAttempt(report)
    );
  }

  /** The runs this worker has taken, including those that wait for their turn. */
  active(): readonly RunRequest[] {
    return [...this.#active.values()].map(({ request }) => request);
  }

  /** Stops all runs at a safe point; each goes back to the queue. */
  stop(): void {
    this.#stopping.abort(new Cancelled(143));
  }

  /** What becomes of a run that comes while its job's window is closed; undefined if it may begin, or is to end without beginning. */
  #closedWindow({ job: name, cancelled }: RunRequest): AttemptEnd | undefined {
    const { jobNamed, isPaused } = this.#options;
    const job = jobNamed(name);
    const now = Date.now();
    if (job === undefined || cancelled === true || isPaused(name) || isOpen(job, now))
      return undefined;
    return { next: 'wait', until: nextEdge(job, now) ?? Number.POSITIVE_INFINITY };
  }

  async #attempt(
    job: Job,
    { request, attempt, lost, isOurs }: Assignment,
    cancel: AbortSignal,
    emit: Emit,
  ): Promise<Report | 'overtaken' | 'held'> {
    const { pool, state, installation, name } = this.#options;
    const windowEnd = windowEndOf(job);
    const signal = AbortSignal.any([cancel, this.#stopping.signal, lost, windowEnd.signal]);
    let held: Held | undefined;
    try {
      held = await this.#acquire(job, signal);
      const { permit } = held;
      const earlier = this.#earlierOf(request.run, job);
      const report = await runTargets(job, {
        run: request.run,
        trigger: request.trigger,
        ...present({ slot: request.slot, folders: request.folders }),
        worker: name,
        attempt,
        emit,
        signal: AbortSignal.any([signal, permit.lost]),
        pool,
        state,
        installation,
        dryRun: false,
        isOurs: () => isOurs() && permit.isOurs(),
        enter: (part, until) => this.#enter(part, until),
        ...present({ earlier }),
      });
      const isEnd = permit.isOurs() || signal.aborted || report.outcome === 'succeeded';
      return isEnd ? report : 'overtaken';
    } catch (error) {
      const why: unknown = signal.aborted ? signal.reason : error;
      // the window closed while it waited for its turn: nothing has begun
      if (why === windowEnd.signal.reason && windowEnd.signal.aborted) return 'held';
      return this.#notRun(request, job, attempt, why, emit);
    } finally {
      windowEnd.drop();
      await held?.release();
    }
  }

  /** Acquires what a run needs, in the same order in every process; `release` gives it back in reverse. */
  async #acquire(job: Job, signal: AbortSignal): Promise<Held> {
    const { takePermit } = this.#options;
    const releases: (() => unknown)[] = [];
    const release = async () => {
      for (const giveBack of releases.reverse()) await giveBack();
    };
    try {
      const permit = await takePermit(`job-${job.name}`, 1, signal);
      releases.push(() => permit.release());
      const lock = await this.#lock(job, signal);
      releases.push(() => lock.release());
      // each of several targets does so by itself
      if (job.parts === undefined) releases.push(await this.#enter(job, signal));
      signal.throwIfAborted();
      return { permit, release };
    } catch (error) {
      await release();
      throw error;
    }
  }

  /** Acquires the logins and then the turn that the run of one target needs. */
  async #enter(job: Job, signal: AbortSignal): Promise<() => void> {
    const leave = await this.#options.logins.use(remotesOf(job), signal);
    try {
      await this.#turn(signal);
    } catch (error) {
      leave();
      throw error;
    }
    return () => {
      this.#turns.give(1);
      leave();
    };
  }

  /** The report of the attempt before, unless the job was defined anew since then. */
  #earlierOf(run: string, job: Job): Report | undefined {
    const found = this.#failed.get(run);
    this.#failed.delete(run);
    return found?.job === job ? found.report : undefined;
  }

  /** Keeps what the next attempt at a run with several targets need not do again. */
  #keepFailed(job: Job, report: Report): void {
    if (report.targets === undefined) return;
    this.#failed.set(report.run, { job, report });
    const [oldest] = this.#failed.keys();
    if (this.#failed.size > mostFailedKept && oldest !== undefined) this.#failed.delete(oldest);
  }

  /** Waits for the job's lock, which `ferryline run` holds while it runs the job. */
  async #lock(job: Job, signal: AbortSignal): Promise<Lock> {
    for (;;) {
      try {
        return await acquireJobLock(this.#options.state, job.name);
      } catch (error) {
        if (!(error instanceof FerryError) || error.kind !== 'busy') throw error;
        await sleep(lockRetryMs, undefined, { signal });
      }
    }
  }

  /** Waits for a turn; one that comes after the signal goes to the next run. */
  #turn(signal: AbortSignal): Promise<void> {
    return abortable(
      signal,
      (resolve) =>
        void this.#turns.take(1).then(() => {
          if (signal.aborted) this.#turns.give(1);
          else resolve();
        }),
    );
  }

  /** Emits and returns the report of a run that could not begin. */
  #notRun(
    request: RunRequest,
    job: Job | undefined,
    attempt: number,
    thrown: unknown,
    emit: Emit,
  ): Report {
    const report = reportOfRequest(request, job, thrown, { attempt, worker: this.#options.name });
    emit({ event: 'run', ...report });
    return report;
  }
}

/** The number of attempts a run gets. One limited to folders that changed gets one: its watch requests it again, so that one bad file delays no other. */
export function attemptsOf({ trigger }: { readonly trigger: Trigger }, job: Job): number {
  return trigger === 'watch' ? 1 : job.starts.retry.attempts;
}

function gone(job: string): FerryError {
  return new FerryError('config', `job ${job} is no longer in jobs.yml`, {
    hint: 'it was removed after this run was requested; nothing was done',
  });
}

function reasonOf(report: Report): string {
  return report.error?.message ?? `${count(report.files.failed, 'path')} failed`;
}
