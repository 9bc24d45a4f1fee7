/**
 * Offers each job's slots when they are due, with one timer for all jobs. Slots that a jump of the
 * clock or a suspend passed over count as missed. slots.ts decides which moments are slots; the
 * caller decides what a slot starts.
 */
import {
  isInside,
  type MissedRules,
  madeUpLater,
  missedSlots,
  nextOpenSlot,
  nextSlot,
  slotsBetween,
} from './slots.js';

export interface ScheduleOptions {
  /**
   * A slot to start the job for: `due` is at most a minute late, `catch-up` makes up for a missed
   * one. A job's slots come one after another, each awaited. If this rejects, `onError` is called and
   * the slot is offered again after a moment, by then perhaps as missed.
   */
  readonly onSlot: (job: string, slot: number, how: 'due' | 'catch-up') => Promise<void>;
  /** A missed slot that is not made up for, in order with the others; a rejection has the same effect. */
  readonly onSkip: (job: string, slot: number, why: string) => Promise<void>;
  readonly onError: (job: string, thrown: unknown) => void;
  /** The wall clock, milliseconds since the epoch. It may jump. */
  readonly now?: () => number;
  /** Calls `then` once after at least `ms`; returns a function that cancels it. */
  readonly setTimer?: (ms: number, then: () => void) => () => void;
}

export interface ScheduledJob {
  readonly starts: MissedRules;
  /** No slot at or before this moment is ever offered. */
  readonly handledUntil: number;
}

/** A slot this late is still due; a later one is missed. */
const lateMs = 60_000;
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
  /** Its slots are being offered, or one was rejected and waits for the next try. */
  busy: boolean;
}

interface OfferedSlot {
  readonly slot: number;
  readonly how: 'due' | 'catch-up' | 'skip';
  /** With `skip`. */
  readonly why?: string;
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
        const from = known === undefined ? handledUntil : Math.max(this.#now(), known.handledUntil);
        const next = nextSlot(starts, from);
        this.#jobs.set(name, { name, starts, handledUntil: from, next, busy: false });
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
    for (const job of this.#jobs.values()) {
      if (job.next === undefined || job.busy) continue;
      if (job.next <= now) void this.#offerAll(job, now);
      else wait = Math.min(wait, job.next - now, longestWaitMs);
    }
    this.#cancelTimer =
      wait === Number.POSITIVE_INFINITY ? () => {} : this.#setTimer(wait, () => this.#offerDue());
  }

  async #offerAll(job: JobState, now: number): Promise<void> {
    const { onSlot, onSkip, onError } = this.#options;
    job.busy = true;
    try {
      for (const { slot, how, why = '' } of slotsToOffer(job, now)) {
        if (!this.#isCurrent(job)) return;
        if (how === 'skip') await onSkip(job.name, slot, why);
        else await onSlot(job.name, slot, how);
        job.handledUntil = slot;
      }
      job.next = nextSlot(job.starts, job.handledUntil);
      job.busy = false;
    } catch (thrown) {
      onError(job.name, thrown);
      if (!this.#isCurrent(job)) return;
      const again = () => {
        this.#retries.delete(job);
        job.busy = false;
        this.#offerDue();
      };
      this.#retries.set(job, this.#setTimer(retryAfterMs, again));
    }
    if (this.#isCurrent(job)) this.#offerDue();
  }

  /** False once the job was removed, or replaced by one with another schedule. */
  #isCurrent(job: JobState): boolean {
    return this.#jobs.get(job.name) === job;
  }
}

function sameSlots(one: MissedRules, other: MissedRules): boolean {
  return one.timezone === other.timezone && one.schedule.join('\n') === other.schedule.join('\n');
}

/** The slots after `handledUntil` up to `now`, ascending, each with what should happen to it. */
function slotsToOffer({ starts, handledUntil }: JobState, now: number): OfferedSlot[] {
  const dueAfter = Math.max(handledUntil, now - lateMs - 1);
  const due = slotsBetween(starts, dueAfter, now, Number.POSITIVE_INFINITY);
  const missed = missedSlots(starts, handledUntil, dueAfter, now);
  const superseded =
    starts.catchUp.slots === 'latest' && due.some((slot) => isInside(starts, slot));
  return [
    ...missed.skipped.map(({ slot, why }): OfferedSlot => ({ slot, how: 'skip', why })),
    ...missed.run.map(
      (slot): OfferedSlot =>
        superseded ? { slot, how: 'skip', why: madeUpLater } : { slot, how: 'catch-up' },
    ),
    ...due.map((slot): OfferedSlot => ({ slot, how: 'due' })),
  ];
}

function setRealTimer(ms: number, then: () => void): () => void {
  const timer = setTimeout(then, ms);
  return () => clearTimeout(timer);
}
