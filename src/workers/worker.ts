/**
 * Carries out runs that come from the queue, several at once. Around each goes what a run needs in
 * company: the job's permit and its lock on this machine, so that runs of one job never overlap,
 * and the logins of its remotes. What the queue does with the run then is told to the caller.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Budget } from '../core/at-once.js';
import { Cancelled, FerryError } from '../core/errors.js';
import type { Emit, Report, Trigger } from '../core/events.js';
import type { Job } from '../core/job.js';
import type { Permit, TakePermit } from '../core/permit.js';
import type { Assignment, ListenToRun, RunRequest, Verdict } from '../core/request.js';
import type { SessionPool } from '../endpoints/sftp/pool.js';
import { acquireJobLock, type Lock } from '../state/lock.js';
import { backoffAfter, worthAnotherAttempt } from './attempts.js';
import type { Logins } from './logins.js';
import { reportOfRequest } from './run/report.js';
import { remotesOf, runJob } from './run/run-job.js';

export interface WorkerOptions {
  readonly pool: SessionPool;
  readonly state: string;
  /** How reports call it: `NAME@HOST` or `HOST`. */
  readonly name: string;
  readonly logins: Logins;
  readonly takePermit: TakePermit;
  /** Runs carried out at once; others wait for their turn with their permits in hand. */
  readonly atOnce: number;
  /** The job as it is defined now. */
  readonly jobNamed: (name: string) => Job | undefined;
  readonly isPaused: (name: string) => boolean;
  /** Where a run's events go. */
  readonly listen: ListenToRun;
  /** A report without what is secret, before it leaves the worker. */
  readonly redact: (report: Report) => Report;
  /** Keeps the report of an attempt. */
  readonly keep: (report: Report) => Promise<void>;
}

export interface RunWorker {
  /** Never rejects, but for a run that was lost to another worker. */
  carryOut(assignment: Assignment): Promise<Verdict>;
  /** Stops a run; false when it isn't in hand here. */
  cancel(run: string): boolean;
  /** Whether another attempt follows a report. */
  hasMore(report: Report): boolean;
  /** Runs in hand, those waiting for their turn included. */
  active(): readonly RunRequest[];
  /** Stops all runs at a safe point: each goes back to the queue. */
  stop(): void;
}

/** Milliseconds between two looks at a lock that `ferryline run` holds. */
const lockEvery = 500;

/** What a run has in hand when it begins. */
interface Ready {
  /** The job's own: while it is ours, no other run of the job goes on anywhere. */
  readonly permit: Permit;
  back(): Promise<void>;
}

export function createWorker(options: WorkerOptions): RunWorker {
  const { pool, state, logins, takePermit, jobNamed, isPaused } = options;
  const turns = new Budget(options.atOnce);
  const inHand = new Map<string, { request: RunRequest; cancel: AbortController }>();
  const stopping = new AbortController();

  /** Gets all a run needs, in an order that every process keeps; `back` gives it back in the opposite one. */
  const ready = async (job: Job, signal: AbortSignal): Promise<Ready> => {
    const got: (() => unknown)[] = [];
    const back = async () => {
      for (const give of got.reverse()) await give();
    };
    try {
      const permit = await takePermit(`job-${job.name}`, 1, signal);
      got.push(() => permit.release());
      const lock = await lockOf(job, signal);
      got.push(() => lock.release());
      got.push(await logins.use(remotesOf(job), signal));
      await turn(signal);
      got.push(() => turns.give(1));
      signal.throwIfAborted();
      return { permit, back };
    } catch (error) {
      await back();
      throw error;
    }
  };

  /** Waits for its turn; one that comes after the signal goes to the next. */
  const turn = (signal: AbortSignal) =>
    new Promise<void>((resolve, reject) => {
      const leave = () => reject(signal.reason);
      if (signal.aborted) return leave();
      signal.addEventListener('abort', leave, { once: true });
      void turns.take(1).then(() => {
        signal.removeEventListener('abort', leave);
        if (signal.aborted) turns.give(1);
        else resolve();
      });
    });

  /** `ferryline run` holds the lock of its job while it lasts. */
  const lockOf = async (job: Job, signal: AbortSignal): Promise<Lock> => {
    for (;;) {
      try {
        return await acquireJobLock(state, job.name);
      } catch (error) {
        if (!(error instanceof FerryError) || error.kind !== 'busy') throw error;
        await sleep(lockEvery, undefined, { signal });
      }
    }
  };

  /** The report, told, of a run that did not come to its job. */
  const notRun = (
    request: RunRequest,
    job: Job | undefined,
    number: number,
    thrown: unknown,
    emit: Emit,
  ): Report => {
    const here = { attempt: number, worker: options.name };
    const report = reportOfRequest(request, job, thrown, here);
    emit({ event: 'run', ...report });
    return report;
  };

  const attempt = async (
    job: Job,
    { request, attempt: number, lost, isOurs }: Assignment,
    cancel: AbortSignal,
    emit: Emit,
  ): Promise<Report | 'overtaken'> => {
    const signal = AbortSignal.any([cancel, stopping.signal, lost]);
    let got: Ready | undefined;
    try {
      got = await ready(job, signal);
      const { permit } = got;
      const report = await runJob(job, {
        run: request.run,
        trigger: request.trigger,
        ...(request.slot === undefined ? {} : { slot: request.slot }),
        worker: options.name,
        attempt: number,
        emit,
        signal: AbortSignal.any([signal, permit.lost]),
        pool,
        state,
        dryRun: false,
        isOurs: () => isOurs() && permit.isOurs(),
        ...(request.folders === undefined ? {} : { folders: request.folders }),
      });
      const isEnd = permit.isOurs() || signal.aborted || report.outcome === 'succeeded';
      return isEnd ? report : 'overtaken';
    } catch (error) {
      return notRun(request, job, number, signal.aborted ? signal.reason : error, emit);
    } finally {
      await got?.back();
    }
  };

  return {
    async carryOut(assignment) {
      const { request, attempt: number, attempts, lost, isOurs } = assignment;
      const cancel = new AbortController();
      inHand.set(request.run, { request, cancel });
      const { emit, end } = options.listen(request);
      try {
        const job = jobNamed(request.job);
        let report: Report | 'overtaken';
        if (job === undefined) report = notRun(request, job, number, gone(request.job), emit);
        else if (request.cancelled === true || isPaused(request.job))
          report = notRun(request, job, number, new Cancelled(130), emit);
        else report = await attempt(job, assignment, cancel.signal, emit);
        if (!isOurs() || lost.aborted) throw lost.reason;
        // Another run of the job may go on elsewhere: this one begins anew when that has ended.
        if (report === 'overtaken') return { next: 'return' };
        if (report.outcome === 'cancelled' && stopping.signal.aborted && !cancel.signal.aborted)
          return { next: 'return' };
        report = options.redact(report);
        await options.keep(report);
        if (job !== undefined && number < attempts && worthAnotherAttempt(report)) {
          // Half of the wait is left to chance, so that what failed together doesn't come back together.
          const after = backoffAfter(number, job.starts.retry) * (0.5 + Math.random() / 2);
          return { next: 'retry', after: Math.round(after), why: reasonOf(report) };
        }
        return { next: 'end', report };
      } finally {
        inHand.delete(request.run);
        await end();
      }
    },
    cancel(run) {
      const held = inHand.get(run);
      held?.cancel.abort(new Cancelled(130));
      return held !== undefined;
    },
    hasMore(report) {
      const job = jobNamed(report.job);
      return (
        job !== undefined && report.attempt < attemptsOf(report, job) && worthAnotherAttempt(report)
      );
    },
    active: () => [...inHand.values()].map(({ request }) => request),
    stop() {
      stopping.abort(new Cancelled(143));
    },
  };
}

/** Attempts of a run in all: what a watch saw is asked for again by the watch itself, so that one bad file holds up no other. */
export function attemptsOf({ trigger }: { readonly trigger: Trigger }, job: Job): number {
  return trigger === 'watch' ? 1 : job.starts.retry.attempts;
}

function gone(job: string): FerryError {
  return new FerryError('config', `job ${job} is not in jobs.yml any more`, {
    hint: 'the request was made before it was taken out; nothing was done',
  });
}

function reasonOf(report: Report): string {
  return report.error?.message ?? `${report.files.failed} paths were not done`;
}
