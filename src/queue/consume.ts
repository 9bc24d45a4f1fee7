/** Takes runs out of a queue and has them carried out, several at once. */
import { DelayedError, type Job as Entry, WaitingError, Worker } from 'bullmq';
import { cutReport } from '../core/cut-report.js';
import { FerryError } from '../core/errors.js';
import type { Report } from '../core/events.js';
import type { Assignment, AttemptEnd, RunRequest } from '../core/request.js';
import { answered } from './answered.js';
import { keepHold, lockMs, recordAgainMs, stalledCheckMs } from './holds.js';
import { runsQueueName } from './run-queues.js';
import type { Store } from './store/store.js';

export interface ConsumerOptions {
  readonly worker: string | undefined;
  /** Runs taken at once, including those that wait for a permit. */
  readonly concurrency: number;
  readonly carryOut: (assignment: Assignment) => Promise<AttemptEnd>;
  /** Called when a run's entry has ended. */
  readonly onEnded: (run: string) => void;
  /** Called for a run that is given up because its workers died too often; it has no report yet. */
  readonly onGivenUp: (request: RunRequest, why: string) => void;
  readonly onError: (error: Error) => void;
}

export interface Consumer {
  /** Takes no more runs. */
  pause(): Promise<void>;
  /** Takes no more runs; resolves when those in hand have ended or were returned to the queue. */
  close(): Promise<void>;
}

/** A run that waits for a moment is looked at again after this time, in milliseconds: the clock may have been set. */
const lookAgainMs = 300_000;
/** A run whose workers died more often is given up: the run itself may be what kills them. */
const mostWorkerDeaths = 10;

class Retry extends Error {
  readonly afterMs: number;
  constructor(why: string, afterMs: number) {
    super(why);
    this.afterMs = afterMs;
  }
}

export function consume(store: Store, options: ConsumerOptions): Consumer {
  let worker: Worker<RunRequest, Report>;
  const carryOut = async (entry: Entry<RunRequest, Report>, token = ''): Promise<Report> => {
    const id = entry.id as string;
    const began = entry.processedOn ?? Date.now();
    const hold = keepHold(
      { wall: began, steady: performance.now() - Math.max(0, Date.now() - began) },
      async () => (await worker.extendJobLocks([id], [token], lockMs)).length === 0,
      () =>
        new FerryError('network', `run ${id} was taken over: its lock in the queue expired`, {
          hint: 'another worker continues it; the queue was unreachable, or this process was stopped',
        }),
    );
    try {
      const end = await options.carryOut({
        request: entry.data,
        attempt: entry.attemptsMade + 1,
        attempts: entry.opts.attempts ?? 1,
        lost: hold.lost,
        isOurs: hold.isOurs,
      });
      if (end.next === 'end') return cutReport(end.report);
      if (end.next === 'retry') throw new Retry(end.why, end.after);
      if (end.next === 'wait') {
        const until = Math.min(end.until, Date.now() + lookAgainMs);
        await answered(entry.moveToDelayed(until, token));
        throw new DelayedError();
      }
      await answered(entry.moveToWait(token));
      throw new WaitingError();
    } finally {
      hold.drop();
    }
  };
  worker = new Worker<RunRequest, Report>(
    runsQueueName(options.worker),
    carryOut,
    {
      ...store.options(),
      concurrency: options.concurrency,
      lockDuration: lockMs,
      stalledInterval: stalledCheckMs,
      runRetryDelay: recordAgainMs,
      maxStalledCount: mostWorkerDeaths,
      skipLockRenewal: true,
      settings: {
        backoffStrategy: (_attempts, _type, error) =>
          error instanceof Retry ? error.afterMs : 1000,
      },
    },
    store.backend,
  );
  worker.on('error', options.onError);
  worker.on('completed', (entry) => options.onEnded(entry.id as string));
  worker.on('failed', (entry, error) => {
    if (entry?.finishedOn !== undefined) options.onEnded(entry.id as string);
    // Other errors belong to a single attempt, or to a run that is no longer ours.
    if (entry === undefined || !/stalled more than/.test(error.message)) return;
    options.onGivenUp(entry.data, error.message);
  });
  return {
    pause: () => worker.pause(true),
    close: () => worker.close(),
  };
}
