/**
 * Carries out runs from the queue, several at once. It surrounds each run with what keeps it apart
 * from others: the job's permit and its lock on this machine, so that runs of one job never
 * overlap, and the logins of its remotes. It returns to the queue what is to become of the run.
 */
import { Budget, takeFirst } from '../core/at-once.js';
import { Cancelled, FerryError } from '../core/errors.js';
import type { Emit, Report } from '../core/events.js';
import type { Job } from '../core/job.js';
import type { Permit, TryPermit } from '../core/permit.js';
import { present } from '../core/present.js';
import type { Assignment, AttemptEnd, ListenToRun, RunRequest } from '../core/request.js';
import { count } from '../core/text.js';
import { isOpen, nextEdge } from '../core/window.js';
import type { SessionPool } from '../endpoints/sftp/pool.js';
import { acquireJobLock, type Lock } from '../state/lock.js';
import { backoffAfter, isOver, worthAnotherAttempt } from './attempts.js';
import type { Logins } from './logins.js';
import { runHooked } from './run/hooked-run.js';
import { reportOfRequest } from './run/report.js';
import { type RunContext, remotesOf } from './run/run-job.js';

import { windowEndOf } from './window-end.js';

export interface WorkerOptions {
  readonly pool: SessionPool;
  /** The state folder. */
  readonly state: string;
  /** The id of the queue's installation; undefined for an embedded queue. */
  readonly installation: () => string | undefined;
  /** The worker's name in reports: `NAME@HOST` or `HOST`. */
  readonly name: string;
  readonly logins: Logins;
  readonly tryPermit: TryPermit;
  /** Runs carried out at once, each target of a run by itself. */
  readonly atOnce: number;
  /** Called when a place has become free in the middle of a run. */
  readonly onPlace: () => void;
  /** The job as it is defined now. */
  readonly jobNamed: (name: string) => Job | undefined;
  readonly isPaused: (name: string) => boolean;
  /** Starts listening to a run's events. */
  readonly listen: ListenToRun;
  /** What is to be done with the plan of an attempt before it is carried out. */
  readonly onPlan: (request: RunRequest, attempt: number) => NonNullable<RunContext['onPlan']>;
  /** Adds to a report what the worker does not know of its run. */
  readonly mark: (report: Report) => Report;
  /** Takes secrets out of what leaves the worker. */
  readonly redact: <T extends object>(value: T) => T;
  /** Keeps the report of an attempt. */
  readonly keep: (report: Report) => Promise<void>;
}

/** Failed attempts kept; a run whose attempt was dropped does all its targets again. */
const mostFailedKept = 100;

/** What a run holds while it is carried out. */
interface Held {
  /** The job's permit: while it is ours, no other run of the job is carried out anywhere. */
  readonly permit: Permit;
  /** Gives everything back. */
  release(): Promise<void>;
}

/** Back to the queue until a moment. */
type Waiting = Extract<AttemptEnd, { readonly next: 'wait' }>;

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

  /** A place for one more run; undefined while all are taken. The function gives it back. */
  takePlace(): (() => void) | undefined {
    return this.#turns.tryTake(1) ? () => this.#turns.give(1) : undefined;
  }

  /**
   * Carries out one attempt of a run, in a place that its caller took. What it needs is taken without
   * waiting: a run that misses something has not begun. Rejects only if the run was lost to another worker.
   */
  async carryOut(assignment: Assignment): Promise<AttemptEnd> {
    const { request } = assignment;
    const cancel = new AbortController();
    this.#active.set(request.run, { request, cancel });
    let isMissing = false;
    try {
      for (;;) {
        if (this.#stopping.signal.aborted) return { next: 'return' };
        const job = this.#options.jobNamed(request.job);
        const closed = cancel.signal.aborted ? undefined : this.#closedWindow(request);
        if (closed !== undefined) return closed;
        const why = this.#whyNot(request, job, cancel.signal);
        // one that began before is ended by the commands that follow it
        const onlyEnds: boolean =
          why !== undefined && job?.hooks !== undefined && assignment.attempt > 1 && !isMissing;
        if (job === undefined || (why !== undefined && !onlyEnds))
          return await this.#recorded(assignment, job, (emit) =>
            this.#notRun(assignment, job, why, emit),
          );
        const held = await this.#tryAcquire(job).catch((error: Error) => error);
        if (typeof held === 'string') {
          isMissing = true;
          if (cancel.signal.aborted && !(onlyEnds && request.cancelled === true)) continue;
          return { next: 'park', waitsFor: held };
        }
        if (held instanceof Error)
          return await this.#recorded(assignment, job, (emit) =>
            this.#notRun(assignment, job, held, emit),
          );
        try {
          // What was read before is read again: it begins by what holds now.
          const isSame = this.#options.jobNamed(request.job) === job;
          const mayBegin =
            this.#whyNot(request, job, cancel.signal) === undefined &&
            this.#closedWindow(request) === undefined;
          if (!isSame || !(mayBegin || onlyEnds)) continue;
          if (onlyEnds) cancel.abort(why);
          return await this.#attempt(job, assignment, held, cancel.signal);
        } finally {
          await held.release();
        }
      }
    } finally {
      this.#active.delete(request.run);
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

  /** The runs this worker has taken. */
  active(): readonly RunRequest[] {
    return [...this.#active.values()].map(({ request }) => request);
  }

  /** Stops all runs at a safe point; each goes back to the queue. */
  stop(): void {
    this.#stopping.abort(new Cancelled(143));
  }

  /** What becomes of a run that comes while its job's window is closed; undefined if it may begin, or is to end without beginning. */
  #closedWindow({ job: name, cancelled, dryRun }: RunRequest): Waiting | undefined {
    const { jobNamed, isPaused } = this.#options;
    const job = jobNamed(name);
    const now = Date.now();
    const isFree = cancelled === true || dryRun === true || isPaused(name);
    if (job === undefined || isFree || isOpen(job, now)) return undefined;
    return { next: 'wait', until: nextEdge(job, now) ?? Number.POSITIVE_INFINITY };
  }

  /** Why a run does not begin; undefined if it may. */
  #whyNot({ job: name, cancelled }: RunRequest, job: Job | undefined, cancel: AbortSignal) {
    if (job === undefined) return gone(name);
    const isCancelled = cancelled === true || cancel.aborted || this.#options.isPaused(name);
    return isCancelled ? new Cancelled(130) : undefined;
  }

  async #attempt(
    job: Job,
    assignment: Assignment,
    { permit }: Held,
    cancel: AbortSignal,
  ): Promise<AttemptEnd> {
    const { request, attempt, lost, isOurs } = assignment;
    const { pool, state, installation, name, redact, onPlan } = this.#options;
    // what changes nothing needs no window
    const windowEnd = windowEndOf(request.dryRun === true ? { ...job, window: undefined } : job);
    const signal = AbortSignal.any([cancel, this.#stopping.signal, lost, windowEnd.signal]);
    const earlier = this.#earlierOf(request.run, job);
    const isStopped = () => this.#stopping.signal.aborted && !cancel.aborted;
    // another run of the job may be active elsewhere; this one starts again once that has ended
    const isOvertaken = (made: Report) =>
      !permit.isOurs() && !signal.aborted && made.outcome !== 'succeeded' && !isOver(made);
    return this.#recorded(
      assignment,
      job,
      async (emit) => {
        const report = await runHooked(job, {
          run: request.run,
          trigger: request.trigger,
          ...present({ slot: request.slot, by: request.by, folders: request.folders }),
          worker: name,
          attempt,
          emit,
          signal: AbortSignal.any([signal, permit.lost]),
          pool,
          state,
          installation: installation(),
          dryRun: request.dryRun === true,
          ...(request.approves && {
            approves: request.approves.run,
            sealed: { digest: request.approves.digest, approved: true },
          }),
          isOurs: () => isOurs() && permit.isOurs(),
          enter: this.#entering(),
          onPlan: onPlan(request, attempt),
          isLast: (made) =>
            isOurs() &&
            !isOvertaken(made) &&
            !(made.outcome === 'cancelled' && isStopped()) &&
            !isTriedAgain(assignment, made) &&
            made.stoppedBy === undefined,
          hooksSignal: () =>
            AbortSignal.any([this.#stopping.signal, lost, ...(cancel.aborted ? [] : [cancel])]),
          redact,
          ...present({ earlier }),
        }).catch((error: unknown) =>
          this.#notRun(assignment, job, signal.aborted ? signal.reason : error, emit),
        );
        return isOvertaken(report) ? 'overtaken' : report;
      },
      isStopped,
    ).finally(() => windowEnd.drop());
  }

  /** Makes the report of an attempt with its log, keeps it, and says what follows. */
  async #recorded(
    assignment: Assignment,
    job: Job | undefined,
    make: (emit: Emit) => Promise<Report | 'overtaken'> | Report,
    isStopped: () => boolean = () => false,
  ): Promise<AttemptEnd> {
    const { request, attempt, lost, isOurs } = assignment;
    const { listen, mark, redact, keep } = this.#options;
    const { emit, end } = listen(request);
    try {
      const made = await make(emit);
      if (!isOurs() || lost.aborted) throw lost.reason;
      if (made === 'overtaken') return { next: 'return' };
      if (made.outcome === 'cancelled' && isStopped()) return { next: 'return' };
      const report = redact(mark(made));
      await keep(report);
      if (job !== undefined && report.stoppedBy === 'window') {
        this.#keepFailed(job, report);
        const until = this.#closedWindow(request)?.until ?? Date.now();
        return { next: 'wait', until, began: true };
      }
      if (job !== undefined && isTriedAgain(assignment, report)) {
        // half of the wait is random, so that runs that failed together do not come back together
        const after = backoffAfter(attempt, job.starts.retry) * (0.5 + Math.random() / 2);
        this.#keepFailed(job, report);
        return { next: 'retry', after: Math.round(after), why: reasonOf(report) };
      }
      return { next: 'end', report };
    } finally {
      await end();
    }
  }

  /** Takes what a run needs without waiting, in the same order in every process, all or none: resolves to what is missing, or to what is held. */
  async #tryAcquire(job: Job): Promise<Held | string> {
    const { tryPermit, logins, state } = this.#options;
    const releases: (() => unknown)[] = [];
    const release = async () => {
      for (const giveBack of releases.splice(0).reverse()) await giveBack();
    };
    const missing = async (what: string) => {
      await release();
      return what;
    };
    try {
      const permitName = `job-${job.name}`;
      const permit = await tryPermit(permitName, 1);
      if (permit === undefined) return permitName;
      releases.push(() => permit.release());
      const lock = await tryJobLock(state, job.name);
      if (lock === undefined) return await missing('lock');
      releases.push(() => lock.release());
      // each of several targets does so by itself, and a run with hooks after the first of them
      if (job.parts === undefined && job.hooks === undefined) {
        const leave = await logins.tryUse(remotesOf(job), tryPermit);
        if (typeof leave === 'string') return await missing(leave);
        releases.push(leave);
      }
      return { permit, release };
    } catch (error) {
      await release();
      throw error;
    }
  }

  /** Waits for the logins and then the turn that a target, or a run with hooks, needs: one of a run's targets at a time has the place of the run. */
  #entering(): (part: Job, signal: AbortSignal) => Promise<() => void> {
    const place = new Budget(1);
    return async (part, signal) => {
      const leave = await this.#options.logins.use(remotesOf(part), signal);
      let giveBack: () => void;
      try {
        giveBack = await takeFirst([place, this.#turns], signal);
      } catch (error) {
        leave();
        throw error;
      }
      return () => {
        giveBack();
        leave();
        this.#options.onPlace();
      };
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

  /** Emits and returns the report of a run that could not begin. */
  #notRun(
    { request, attempt }: Assignment,
    job: Job | undefined,
    thrown: unknown,
    emit: Emit,
  ): Report {
    const report = reportOfRequest(request, job, thrown, { attempt, worker: this.#options.name });
    emit({ event: 'run', ...report });
    return report;
  }
}

/** The number of attempts a run gets. One limited to folders that changed gets one: its watch requests it again, so that one bad file delays no other. So does a dry run; and of an approved plan, what an attempt left is another plan. */
export function attemptsOf(
  {
    trigger,
    dryRun,
    approves,
  }: Pick<RunRequest, 'trigger' | 'dryRun'> & { readonly approves?: unknown },
  job: Job,
): number {
  const isOne = trigger === 'watch' || dryRun === true || approves !== undefined;
  return isOne ? 1 : job.starts.retry.attempts;
}

/** The lock of a job on this machine; undefined while `ferryline run` or another daemon holds it. */
async function tryJobLock(state: string, job: string): Promise<Lock | undefined> {
  try {
    return await acquireJobLock(state, job);
  } catch (error) {
    if (error instanceof FerryError && error.kind === 'busy') return undefined;
    throw error;
  }
}

function isTriedAgain({ attempt, attempts }: Assignment, report: Report): boolean {
  return attempt < attempts && worthAnotherAttempt(report);
}

function gone(job: string): Cancelled {
  const why = new FerryError('config', `job ${job} is no longer in jobs.yml`, {
    hint: 'it was removed after this run was requested; nothing was done',
  });
  return new Cancelled(130, why);
}

function reasonOf(report: Report): string {
  return report.error?.message ?? `${count(report.files.failed, 'path')} failed`;
}
