/**
 * Offers each job's slots when they are due, with one timer for all jobs. Slots that a jump of the
 * clock or a suspend passed over count as missed. slots.ts decides which moments are slots; the
 * caller decides what a slot starts.
 */
import { type Gap, lateMs, offers } from './offers.js';
import { type MissedRules, nextOpenSlot, nextSlot } from './slots.js';

export interface ScheduleOptions {
  /**
   * A slot to start the job for: `due` is at most a minute late, `catch-up` makes up for a missed
   * one. A job's slots come one after another, each awaited. If this rejects, `onError` is called and
   * the slot is offered again after a moment, by then perhaps as missed.
   */
  readonly onSlot: (job: string, slot: number, how: 'due' | 'catch-up') => Promise<void>;
  /** Missed slots that are not made up for; a rejection has the same effect. */
  readonly onGap: (job: string, gap: Gap) => Promise<void>;
  /** All slots of the job up to this one were stored. */
  readonly onHandled: (job: string, until: number) => void;
  /**
   * The slots of these jobs were handled up to a moment that is over a minute ahead of the clock: the
   * clock was set back, or was wrong before. They go by the clock once it resolves, to the moments up
   * to which slots count as handled now; without one, up to now.
   */
  readonly onAhead: (
    jobs: ReadonlyMap<string, number>,
    now: number,
  ) => Promise<ReadonlyMap<string, number>>;
  readonly onError: (job: string, thrown: unknown) => void;
  /** The wall clock, milliseconds since the epoch. It may jump. */
  readonly now?: () => number;
  /** Calls `then` once after at least `ms`; returns a function that cancels it. */
  readonly setTimer?: (ms: number, then: () => void) => () => void;
}

export interface ScheduledJob {
  readonly starts: MissedRules;
  /** No slot at or before this moment is offered, unless it is ahead of the clock. */
  readonly handledUntil: number;
}

/** The longest wait, so that a jump of the clock is noticed; well below `lateMs`, so that a slot just after a suspend is due. */
const longestWaitMs = 30_000;
/** A schedule without a slot in the next five years is looked at again after this time. */
const lookAgainMs = 86_400_000;
/** Wait before a slot that was rejected is offered again. */
const retryAfterMs = 5_000;

interface JobState {
  readonly name: string;
  starts: MissedRules;
  handledUntil: number;
  /** The first slot after `handledUntil`. */
  next: number | undefined;
  /** What was computed last of its next slot in the window: it holds for moments from `from` up to before `until`. */
  shown?: {
    readonly starts: MissedRules;
    readonly from: number;
    readonly until: number;
    readonly slot: number | undefined;
  };
  /** Slots after `handledUntil` that were offered. */
  readonly offered: Set<number>;
  /** Its slots are being offered, or one was rejected and waits for the next try. */
  busy: boolean;
}

/** Has no jobs until `set` is called. */
export class Scheduler {
  readonly #options: ScheduleOptions;
  readonly #now: () => number;
  readonly #setTimer: (ms: number, then: () => void) => () => void;
  #jobs = new Map<string, JobState>();
  /** Jobs with a rejected slot, and the function that cancels the next try. */
  readonly #retries = new Map<JobState, () => void>();
  #cancelTimer = () => {};

  constructor(options: ScheduleOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
    this.#setTimer = options.setTimer ?? setRealTimer;
  }

  /**
   * Replaces the jobs, at start and on a reload. A job that stays keeps its `handledUntil` if that is
   * later; a job whose schedule or zone changed begins now, whatever `handledUntil` says.
   */
  set(wanted: ReadonlyMap<string, ScheduledJob>): void {
    const before = this.#jobs;
    this.#jobs = new Map();
    for (const [name, { starts, handledUntil }] of wanted) {
      const known = before.get(name);
      if (known !== undefined && sameSlots(known.starts, starts)) {
        known.starts = starts;
        known.handledUntil = Math.max(known.handledUntil, handledUntil);
        this.#jobs.set(name, known);
      } else {
        const from = known === undefined ? handledUntil : this.#now();
        const next = nextSlot(starts, from);
        const offered = new Set<number>();
        this.#jobs.set(name, { name, starts, handledUntil: from, next, offered, busy: false });
      }
    }
    for (const [job, cancel] of this.#retries) {
      if (this.#isCurrent(job)) continue;
      cancel();
      this.#retries.delete(job);
    }
    this.#offerDue();
  }

  /** The job's next slot in its window; undefined for a job that is not scheduled, or has no slot in the next five years. */
  next(name: string): number | undefined {
    const job = this.#jobs.get(name);
    if (job === undefined) return undefined;
    const { starts, shown } = job;
    const after = Math.max(job.handledUntil, this.#now());
    if (shown?.starts === starts && shown.from <= after && after < shown.until) return shown.slot;
    const slot = nextOpenSlot(starts, after);
    job.shown = { starts, slot, from: after, until: slot ?? after + lookAgainMs };
    return slot;
  }

  /** Offers no more slots; those already offered go on. */
  stop(): void {
    this.set(new Map());
  }

  /** Offers the slots that are due and sets the timer for the next one. */
  #offerDue(): void {
    this.#cancelTimer();
    const now = this.#now();
    let wait = Number.POSITIVE_INFINITY;
    const ahead: JobState[] = [];
    for (const job of this.#jobs.values()) {
      if (job.busy) continue;
      if (job.handledUntil > now + lateMs) ahead.push(job);
      else if (job.next === undefined) continue;
      else if (job.next <= now) void this.#offerAll(job, now);
      else wait = Math.min(wait, job.next - now, longestWaitMs);
    }
    if (ahead.length > 0) void this.#goByClock(ahead, now);
    this.#cancelTimer =
      wait === Number.POSITIVE_INFINITY ? () => {} : this.#setTimer(wait, () => this.#offerDue());
  }

  async #offerAll(job: JobState, now: number): Promise<void> {
    await this.#whileBusy([job], async () => {
      const { onSlot, onGap, onHandled } = this.#options;
      for (const offer of offers(job.starts, job.handledUntil, now, job.offered)) {
        if (!this.#isCurrent(job)) return;
        if ('slot' in offer) {
          await onSlot(job.name, offer.slot, offer.how);
          job.offered.add(offer.slot);
        } else if ('gap' in offer) await onGap(job.name, offer.gap);
        else {
          job.handledUntil = offer.handled;
          job.offered.clear();
          onHandled(job.name, offer.handled);
        }
      }
    });
  }

  /** Forgets what was handled ahead of the clock. */
  async #goByClock(jobs: readonly JobState[], now: number): Promise<void> {
    await this.#whileBusy(jobs, async () => {
      const until = new Map(jobs.map((job) => [job.name, job.handledUntil]));
      const before = await this.#options.onAhead(until, now);
      for (const job of jobs) {
        job.handledUntil = before.get(job.name) ?? now;
        job.offered.clear();
        this.#options.onHandled(job.name, job.handledUntil);
      }
    });
  }

  /** Looks at no other slot of these jobs until `what` has resolved; after a rejection they come again. */
  async #whileBusy(jobs: readonly JobState[], what: () => Promise<void>): Promise<void> {
    for (const job of jobs) job.busy = true;
    try {
      await what();
      for (const job of jobs) {
        job.next = nextSlot(job.starts, job.handledUntil);
        job.busy = false;
      }
    } catch (thrown) {
      for (const job of jobs) {
        this.#options.onError(job.name, thrown);
        if (this.#isCurrent(job)) this.#tryAgain(job);
      }
    }
    if (jobs.some((job) => this.#isCurrent(job))) this.#offerDue();
  }

  #tryAgain(job: JobState): void {
    const again = () => {
      this.#retries.delete(job);
      job.busy = false;
      this.#offerDue();
    };
    this.#retries.set(job, this.#setTimer(retryAfterMs, again));
  }

  /** False once the job was removed, or replaced by one with another schedule. */
  #isCurrent(job: JobState): boolean {
    return this.#jobs.get(job.name) === job;
  }
}

function sameSlots(one: MissedRules, other: MissedRules): boolean {
  return one.timezone === other.timezone && one.schedule.join('\n') === other.schedule.join('\n');
}

function setRealTimer(ms: number, then: () => void): () => void {
  const timer = setTimeout(then, ms);
  return () => clearTimeout(timer);
}
