/** A job's permit for a run that is not in the queue, such as one by hand: taken at once or not at all. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Queue } from 'bullmq';
import { FerryError } from '../core/errors.js';
import type { Permit, Permits } from '../core/permit.js';
import type { RunRequest } from '../core/request.js';
import { answered } from './answered.js';
import { lockMs, stalledCheckMs } from './holds.js';
import { openKnownStore } from './known-store.js';
import { openPermits } from './permits.js';
import { runsQueueName } from './run-queues.js';
import { openSignals } from './signals.js';
import { openStore } from './store/store.js';
import type { StoreMark } from './store-mark.js';

/** A permit that a dead process held is found by the second of two checks; one that nobody gives back by then is in use. */
const freeWithinMs = 2 * stalledCheckMs + 2000;

/**
 * Takes a job's permit. `active` is a run of the job that a worker has in hand, if there is one.
 * Errors: `busy` when the job runs elsewhere.
 */
export async function takeJobPermit(
  permits: Pick<Permits, 'take'>,
  job: string,
  active: string | undefined,
  signal: AbortSignal,
): Promise<Permit> {
  if (active !== undefined) throw busy(job, `as run ${active} of the queue`);
  const late = AbortSignal.timeout(freeWithinMs);
  try {
    return await permits.take(jobPermitName(job), 1, AbortSignal.any([signal, late]));
  } catch (thrown) {
    if (signal.aborted || !late.aborted) throw thrown;
    throw busy(job, 'in another process on its queue');
  }
}

function jobPermitName(job: string): string {
  return `job-${job}`;
}

function busy(job: string, where: string): FerryError {
  return new FerryError('busy', `job ${job} runs already, ${where}`, {
    hint: `wait for it to end, or let the queue start the next run: \`ferryline enqueue ${job}\`; what a killed process held is free again after ${(lockMs + freeWithinMs) / 1000} s`,
  });
}

/** The permits of a Redis or Postgres queue, without the rest of it. */
export interface PermitStore extends Pick<Permits, 'take'> {
  /** The id of the queue's installation; absent where a daemon gives the permits of its own queue. */
  readonly installation?: string;
  takeJob(job: string, worker: string | undefined, signal: AbortSignal): Promise<Permit>;
  close(): Promise<void>;
}

export interface PermitStoreOptions {
  readonly url: string;
  /** The installation's. */
  readonly name: string;
  /** The state folder, which remembers the queue it used last. */
  readonly state: string;
  /** Another process waits for a permit of that name. */
  readonly onWanted: (permit: string) => void;
  readonly onWarning: (message: string) => void;
}

/** Errors: `network` when the store can't be reached, `config` for one that must not be used as it is. */
export async function openPermitStore(options: PermitStoreOptions): Promise<PermitStore> {
  const { url, name, state, onWanted, onWarning } = options;
  const onTrouble = (error: Error | undefined) => {
    if (error !== undefined) onWarning(`the queue: ${error.message}`);
  };
  // Its kind has no folder.
  const store = await openStore({ url, name, folder: '', onTrouble, onWarning });
  const onError = (error: Error) => store.suspect(error);
  const failed = async (error: unknown): Promise<never> => {
    await store.close().catch(() => {});
    throw error;
  };
  const { id: installation, mark } = await openKnownStore(store, state, onError).catch(failed);
  const signals = await openSignals(store, onError).catch(failed);
  signals.on('wanted', ({ permit }) => onWanted(permit));
  const permits = openPermits(store, signals, onError);
  const activeRun = async (job: string, worker: string | undefined) => {
    const queue = new Queue<RunRequest>(
      runsQueueName(store, worker),
      store.options(),
      store.backend,
    );
    queue.on('error', onError);
    try {
      const entries = await answered(queue.getJobs(['active']));
      return entries.find((entry) => entry?.data.job === job)?.data.run;
    } finally {
      await queue.close();
    }
  };
  return {
    installation,
    take: permits.take,
    async takeJob(job, worker, signal) {
      const permit = await takeJobPermit(permits, job, await activeRun(job, worker), signal);
      try {
        await afterQuiet(mark, signal, (seconds) =>
          onWarning(
            `the queue was emptied, and its locks with it: job ${job} begins in ${seconds} s, when whoever ran it has noticed`,
          ),
        );
        return permit;
      } catch (error) {
        await permit.release();
        throw error;
      }
    },
    async close() {
      await permits.close();
      await mark.close();
      await signals.close();
      await store.close();
    },
  };
}

/** Waits until runs may begin on a store that was emptied. Rejects with the signal's reason. Errors: `network`. */
async function afterQuiet(
  mark: StoreMark,
  signal: AbortSignal,
  onQuiet: (seconds: number) => void,
): Promise<void> {
  for (;;) {
    await mark.look();
    const ms = mark.quietMs();
    if (ms === 0) return;
    onQuiet(Math.ceil(ms / 1000));
    await sleep(ms, undefined, { signal }).catch(() => signal.throwIfAborted());
  }
}
