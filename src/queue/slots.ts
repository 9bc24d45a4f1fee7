/**
 * Slots, each an entry `JOB.20260101T020000Z` of the queue `ferryline-slots`: it is one entry,
 * however many schedulers add it, and one of them decides whether it makes a run. Ended entries are
 * the history of the slots.
 */
import { Queue, Worker } from 'bullmq';
import type { SkippedSlot, SlotEnd } from '../core/request.js';
import { answered } from './answered.js';
import { lockMs, recordAgainMs, stalledCheckMs, unlimited } from './holds.js';
import { keepEvents, type Store } from './store/store.js';

export interface SlotRequest {
  readonly job: string;
  /** Ms since the epoch. */
  readonly slot: number;
  readonly how: 'due' | 'catch-up';
  /** Why it makes no run. Absent: it makes one unless its handler finds a reason against it. */
  readonly skip?: string;
  /** The run chosen for it by a handler that died before it was done. */
  readonly run?: string;
}

/** Decides whether a slot makes a run. `choose` stores the run's id with the slot, so that a handler that decides again requests the same run. */
export type DecideSlot = (
  request: SlotRequest,
  choose: (run: string) => Promise<void>,
) => Promise<SlotEnd>;

export interface Slots {
  /** Adds a slot, unless it is or was in the queue. Errors: `network`. */
  add(request: SlotRequest): Promise<void>;
  /** Decides slots from now on; a slot whose decision rejects is tried again. */
  decide(decide: DecideSlot): void;
  /** The newest skipped slots, newest first. */
  skipped(job: string | undefined, limit: number): Promise<SkippedSlot[]>;
  /** The newest slot known of each job, ms since the epoch. */
  newest(): Promise<Map<string, number>>;
  close(): Promise<void>;
}

const queueName = 'ferryline-slots';
/** Ended slots kept, over all jobs. */
const endedKept = { count: 5000 };

export function openSlots(store: Store, onError: (error: Error) => void): Slots {
  const queue = new Queue<SlotRequest, SlotEnd>(
    queueName,
    { ...store.options(), ...keepEvents(10) },
    store.backend,
  );
  queue.on('error', onError);
  let worker: Worker<SlotRequest, SlotEnd> | undefined;
  return {
    async add(request) {
      const stamp = new Date(request.slot).toISOString().replace(/[-:]|\.\d+/g, '');
      await answered(
        queue.add('slot', request, {
          jobId: `${request.job}.${stamp}`,
          attempts: unlimited,
          backoff: { type: 'fixed', delay: 2000 },
          stackTraceLimit: 1,
          removeOnComplete: endedKept,
        }),
      );
    },
    decide(decide) {
      worker = new Worker<SlotRequest, SlotEnd>(
        queueName,
        (entry) => decide(entry.data, (run) => answered(entry.updateData({ ...entry.data, run }))),
        {
          ...store.options(),
          concurrency: 20,
          lockDuration: lockMs,
          stalledInterval: stalledCheckMs,
          runRetryDelay: recordAgainMs,
          maxStalledCount: unlimited,
        },
        store.backend,
      );
      worker.on('error', onError);
    },
    async skipped(job, limit) {
      const entries = await answered(queue.getJobs(['completed'], 0, endedKept.count));
      const found: SkippedSlot[] = [];
      for (const { data, returnvalue } of entries) {
        if (found.length >= limit) break;
        if (returnvalue?.end !== 'skipped' || (job !== undefined && data.job !== job)) continue;
        const slot = new Date(data.slot).toISOString();
        found.push({ job: data.job, slot, why: returnvalue.why });
      }
      return found;
    },
    async newest() {
      const newest = new Map<string, number>();
      const states = ['completed', 'active', 'waiting', 'delayed'] as const;
      for (const { data } of await answered(queue.getJobs([...states], 0, endedKept.count)))
        newest.set(data.job, Math.max(data.slot, newest.get(data.job) ?? 0));
      return newest;
    },
    async close() {
      await worker?.close();
      await queue.close();
    },
  };
}
