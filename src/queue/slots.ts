/**
 * Slots, each an entry `JOB.20260101T020000Z` of the queue `ferryline-slots`: it is one entry,
 * however many schedulers add it, and one of them decides whether it makes a run. Slots that were
 * missed together are one entry, under the last one's name. Ended entries are the history of the
 * slots, kept for each job.
 */
import { Queue } from 'bullmq';
import { isFromNewer, leftToNewerMs, type Payload, payloadVersion } from '../core/payload.js';
import { present } from '../core/present.js';
import type { SkippedSlot, SlotEnd } from '../core/request.js';
import { answered } from './answered.js';
import { unlimited } from './holds.js';
import { SlotConsumer } from './slot-consumer.js';
import { keepEvents, type Store } from './store/store.js';
import { UndecidedSlots } from './undecided-slots.js';

export interface SlotRequest extends Payload {
  readonly job: string;
  /** Ms since the epoch. */
  readonly slot: number;
  readonly how: 'due' | 'catch-up';
  /** Why it makes no run. Absent: it makes one unless its handler finds a reason against it. */
  readonly skip?: string;
  /** With `skip`, of several that were missed together: the first, and how many they are. */
  readonly from?: number;
  readonly count?: number;
  /** With `skip`: how many of them were meant to run. */
  readonly missed?: number;
  /** How many runs it had before its time, under a clock that was ahead. */
  readonly again?: number;
  /** It was decided before its time, under a clock that was ahead. */
  readonly early?: true;
}

/** Decides whether a slot makes a run. */
export type DecideSlot = (request: SlotRequest) => Promise<SlotEnd>;

interface SlotHandler {
  readonly decide: DecideSlot;
  /** The slot whose entry is not kept any more once this one has ended. */
  readonly outlived: (request: SlotRequest) => number | undefined;
  /** Called for a slot that only a newer version can read. */
  readonly left: (request: SlotRequest) => void;
}

export interface Slots {
  /** Adds a slot, unless it is or was in the queue. Errors: `network`. */
  add(request: SlotRequest): Promise<void>;
  /** Adds the slots again that this process added, and that the store lost before they were decided. Errors: `network`. */
  addLost(): Promise<void>;
  /** How a slot ended; undefined while it is not decided. */
  end(job: string, slot: number): Promise<SlotEnd | 'lost' | undefined>;
  /**
   * The clock is at `now` and was ahead before: what was decided of later slots does not count when
   * they come. Resolves to the newest slot up to now that is known of each job.
   */
  forgetAfter(now: number): Promise<Map<string, number>>;
  /** Decides slots from now on; a slot whose decision rejects is tried again. */
  decide(handler: SlotHandler): void;
  /** The newest skipped slots, newest first. */
  skipped(job: string | undefined, limit: number): Promise<SkippedSlot[]>;
  /** The newest slot known of each job, ms since the epoch. */
  newest(): Promise<Map<string, number>>;
  close(): Promise<void>;
}

/** The newest ended slots that lists look at, over all jobs. */
const mostListed = 5000;
/** Entries that outlived their job's schedule are removed after this time, seconds. */
const endedKept = { age: 400 * 24 * 3600 };
/** A slot this far ahead of the clock was decided under another clock. */
const aheadMs = 60_000;
/** A clock may be set back by an hour, as between summer and winter time: a run up to this far ahead counts as its slot's. */
const setBackMs = 3600_000 + aheadMs;

function idOf(job: string, slot: number): string {
  return `${job}.${new Date(slot).toISOString().replace(/[-:]|\.\d+/g, '')}`;
}

export function openSlots(store: Store, onError: (error: Error) => void): Slots {
  const queueName = store.queueName('slots');
  const queue = new Queue<SlotRequest, SlotEnd>(
    queueName,
    { ...store.options(), ...keepEvents(10) },
    store.backend,
  );
  queue.on('error', onError);
  let consumer: SlotConsumer<SlotRequest, SlotEnd> | undefined;
  const undecided = new UndecidedSlots<SlotRequest>(
    async (id) => (await answered(queue.getJob(id)))?.finishedOn !== undefined,
  );
  const slots: Slots = {
    async add(request) {
      const id = idOf(request.job, request.slot);
      const known = await answered(queue.getJob(id));
      if (known !== undefined && known.data.early !== true) return;
      const again = (known?.data.again ?? 0) + 1;
      if (known !== undefined) await answered(known.remove());
      await answered(
        queue.add(
          'slot',
          { ...request, ...(known && { again }), v: payloadVersion },
          {
            jobId: id,
            attempts: unlimited,
            backoff: { type: 'fixed', delay: 2000 },
            stackTraceLimit: 1,
            removeOnComplete: endedKept,
          },
        ),
      );
      await undecided.add(id, request).catch(onError);
      consumer?.look();
    },
    async addLost() {
      for (const request of undecided.all()) await slots.add(request);
    },
    async end(job, slot) {
      const entry = await answered(queue.getJob(idOf(job, slot)));
      if (entry === undefined) return 'lost';
      return entry.finishedOn === undefined ? undefined : entry.returnvalue;
    },
    async forgetAfter(now) {
      const before: SlotRequest[] = [];
      for (const entry of await answered(queue.getJobs(['completed'], 0, mostListed - 1))) {
        if (entry === undefined) continue;
        if (entry.data.slot <= now) before.push(entry.data);
        if (entry.data.slot <= now + aheadMs) continue;
        if (entry.returnvalue?.end === 'skipped') await answered(entry.remove());
        else if (entry.data.slot > now + setBackMs)
          await answered(entry.updateData({ ...entry.data, early: true }));
      }
      return newestOf(before);
    },
    decide({ decide, outlived, left }) {
      consumer = new SlotConsumer<SlotRequest, SlotEnd>(store, queueName, {
        async decide(data) {
          if (isFromNewer(data)) {
            left(data);
            return leftToNewerMs;
          }
          const end = await decide(data);
          undecided.decided(idOf(data.job, data.slot));
          const old = outlived(data);
          if (old !== undefined) await answered(queue.remove(idOf(data.job, old)));
          return end;
        },
        onError,
      });
    },
    async skipped(job, limit) {
      const entries = await answered(queue.getJobs(['completed'], 0, mostListed - 1));
      const found: SkippedSlot[] = [];
      for (const entry of entries) {
        if (found.length >= limit) break;
        if (entry?.returnvalue?.end !== 'skipped') continue;
        if (job === undefined || entry.data.job === job)
          found.push(viewOf(entry.data, entry.returnvalue.why));
      }
      return found;
    },
    async newest() {
      const states = ['completed', 'active', 'waiting', 'delayed'] as const;
      const entries = await answered(queue.getJobs([...states], 0, mostListed - 1));
      return newestOf(entries.flatMap((entry) => (entry === undefined ? [] : [entry.data])));
    },
    async close() {
      await consumer?.close();
      await queue.close();
    },
  };
  return slots;
}

function viewOf({ job, slot, from, count }: SlotRequest, why: string): SkippedSlot {
  const iso = (ms: number) => new Date(ms).toISOString();
  const several = from !== undefined && { from: iso(from), to: iso(slot), ...present({ count }) };
  return { job, slot: iso(slot), ...several, why };
}

function newestOf(requests: readonly SlotRequest[]): Map<string, number> {
  const newest = new Map<string, number>();
  for (const { job, slot } of requests) newest.set(job, Math.max(slot, newest.get(job) ?? 0));
  return newest;
}
