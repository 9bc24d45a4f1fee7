/** Takes runs out of a queue and has them carried out, several at once. */
import { type Job as Entry, WaitingError, Worker } from 'bullmq';
import { FerryError } from '../core/errors.js';
import type { Report } from '../core/events.js';
import type { Assignment, AttemptEnd, RunRequest } from '../core/request.js';
import { keepHold, lockDuration, stalledInterval } from './holds.js';
import { answered, queueName } from './runs.js';
import type { Store } from './store/store.js';

export interface ConsumerOptions {
  readonly worker: string | undefined;
  /** Runs in hand at once, those that wait for a permit counted. */
  readonly concurrency: number;
  readonly carryOut: (assignment: Assignment) => Promise<AttemptEnd>;
  /** A run that was given up because its workers died too often; it has no report yet. */
  readonly onGivenUp: (request: RunRequest, why: string) => void;
  readonly onError: (error: Error) => void;
}

export interface Consumer {
  /** Takes no more. */
  pause(): Promise<void>;
  /** Takes no more and resolves when what is in hand was handed back or ended. */
  close(): Promise<void>;
}

/** Deaths of workers under one run until it is given up: the run itself may be what kills them. */
const deaths = 10;

class Retry extends Error {
  readonly after: number;
  constructor(why: string, after: number) {
    super(why);
    this.after = after;
  }
}

export function consume(store: Store, options: ConsumerOptions): Consumer {
  let worker: Worker<RunRequest, Report>;
  const carryOut = async (entry: Entry<RunRequest, Report>, token = ''): Promise<Report> => {
    const id = entry.id as string;
    const began = entry.processedOn ?? Date.now();
    const hold = keepHold(
      { wall: began, steady: performance.now() - Math.max(0, Date.now() - began) },
      async () => (await worker.extendJobLocks([id], [token], lockDuration)).length === 0,
      () =>
        new FerryError('network', `run ${id} was taken over: its hold in the queue ran out`, {
          hint: 'another worker goes on with it; the queue was out of reach, or this process stood still',
        }),
    );
    try {
      const verdict = await options.carryOut({
        request: entry.data,
        attempt: entry.attemptsMade + 1,
        attempts: entry.opts.attempts ?? 1,
        lost: hold.lost,
        isOurs: hold.isOurs,
      });
      if (verdict.next === 'end') return verdict.report;
      if (verdict.next === 'retry') throw new Retry(verdict.why, verdict.after);
      await answered(entry.moveToWait(token));
      throw new WaitingError();
    } finally {
      hold.drop();
    }
  };
  worker = new Worker<RunRequest, Report>(
    queueName(options.worker),
    carryOut,
    {
      ...store.options(),
      concurrency: options.concurrency,
      lockDuration,
      stalledInterval,
      maxStalledCount: deaths,
      skipLockRenewal: true,
      settings: {
        backoffStrategy: (_attempts, _type, error) => (error instanceof Retry ? error.after : 1000),
      },
    },
    store.backend,
  );
  worker.on('error', options.onError);
  worker.on('failed', (entry, error) => {
    // Every other error is an attempt's own, or of a run that is no longer ours.
    if (entry === undefined || !/stalled more than/.test(error.message)) return;
    options.onGivenUp(entry.data, error.message);
  });
  return {
    pause: () => worker.pause(true),
    close: () => worker.close(),
  };
}
