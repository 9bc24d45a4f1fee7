/**
 * Offers each job's slots when they come due: one timer for all jobs, and what a jump of the clock
 * or a suspend passed over handled as missed. Which moments are slots is slots.ts's; what a slot
 * does is the caller's.
 */
import { type MissedRules, madeUpLater, missedSlots, nextSlot, slotsBetween } from './slots.js';

export interface ScheduleOptions {
  /**
   * A slot to start the job for: `due` is at most a minute late, `catch-up` makes up for a missed
   * one. A job's slots come one after the other, each awaited. One that rejects goes to `onError`
   * and comes again after a moment, by then perhaps as missed.
   */
  readonly onSlot: (job: string, slot: number, how: 'due' | 'catch-up') => Promise<void>;
  /** A missed slot that is not made up for, in its place among the others; rejects likewise. */
  readonly onSkip: (job: string, slot: number, why: string) => Promise<void>;
  readonly onError: (job: string, thrown: unknown) => void;
  /** The wall clock, milliseconds since the epoch. It may jump. */
  readonly now?: () => number;
  /** Calls back once, after so many milliseconds at least, unless the function it gives is called. */
  readonly setTimer?: (ms: number, then: () => void) => () => void;
}

export interface ScheduledJob {
  readonly starts: MissedRules;
  /** All slots up to this moment are accounted for: nothing at or before it is ever offered. */
  readonly seenUntil: number;
}

export interface Scheduler {
  /**
   * The jobs from now on, at start and on a reload. A job that stays keeps what it has seen; one
   * whose schedule or zone changed begins at the present, whatever `seenUntil` says.
   */
  set(jobs: ReadonlyMap<string, ScheduledJob>): void;
  /** The job's next slot to come; undefined when there is none in the next five years, or no such job. */
  next(job: string): number | undefined;
  /** Nothing is offered any more; what was offered goes on. */
  stop(): void;
}

/** Milliseconds a slot may be late and still be due rather than missed. */
const lateness = 60_000;
/** Longest wait, so that a clock that jumped is noticed; well below `lateness`, so that a slot just after a suspend is due. */
const longestWait = 30_000;
/** Wait before what rejected is offered again. */
const retryAfter = 5_000;

interface State {
  readonly name: string;
  starts: MissedRules;
  seenUntil: number;
  /** The first slot after `seenUntil`. */
  next: number | undefined;
  /** Slots are being offered, or rejected a moment ago. */
  busy: boolean;
}

interface Offer {
  readonly slot: number;
  readonly how: 'due' | 'catch-up' | 'skip';
  /** With `skip`. */
  readonly why?: string;
}

/** A scheduler without jobs; `set` gives it some. */
export function createScheduler(options: ScheduleOptions): Scheduler {
  const { onSlot, onSkip, onError, now = Date.now, setTimer = setRealTimer } = options;
  let jobs = new Map<string, State>();
  const retries = new Map<State, () => void>();
  let cancelTimer = () => {};

  /** Starts whatever is due and sets the timer for what comes first. */
  const look = () => {
    cancelTimer();
    const present = now();
    let wait = Number.POSITIVE_INFINITY;
    for (const job of jobs.values()) {
      if (job.next === undefined || job.busy) continue;
      if (job.next <= present) void offerAll(job, present);
      else wait = Math.min(wait, job.next - present, longestWait);
    }
    cancelTimer = wait === Number.POSITIVE_INFINITY ? () => {} : setTimer(wait, look);
  };

  const isCurrent = (job: State) => jobs.get(job.name) === job;

  const offerAll = async (job: State, present: number) => {
    job.busy = true;
    try {
      for (const { slot, how, why = '' } of offersOf(job, present)) {
        if (!isCurrent(job)) return;
        if (how === 'skip') await onSkip(job.name, slot, why);
        else await onSlot(job.name, slot, how);
        job.seenUntil = slot;
      }
      job.next = nextSlot(job.starts, job.seenUntil);
      job.busy = false;
    } catch (thrown) {
      onError(job.name, thrown);
      if (!isCurrent(job)) return;
      const again = () => {
        retries.delete(job);
        job.busy = false;
        look();
      };
      retries.set(job, setTimer(retryAfter, again));
    }
    if (isCurrent(job)) look();
  };

  const replaceJobs = (wanted: ReadonlyMap<string, ScheduledJob>) => {
    const before = jobs;
    jobs = new Map();
    for (const [name, { starts, seenUntil }] of wanted) {
      const known = before.get(name);
      if (known !== undefined && sameSlots(known.starts, starts)) {
        known.starts = starts;
        known.seenUntil = Math.max(known.seenUntil, seenUntil);
        jobs.set(name, known);
      } else {
        const seen = known === undefined ? seenUntil : Math.max(now(), known.seenUntil);
        const next = nextSlot(starts, seen);
        jobs.set(name, { name, starts, seenUntil: seen, next, busy: false });
      }
    }
    for (const [job, cancel] of retries) {
      if (isCurrent(job)) continue;
      cancel();
      retries.delete(job);
    }
    look();
  };

  return {
    set: replaceJobs,
    next(name) {
      const job = jobs.get(name);
      return job && nextSlot(job.starts, Math.max(job.seenUntil, now()));
    },
    stop: () => replaceJobs(new Map()),
  };
}

function sameSlots(one: MissedRules, other: MissedRules): boolean {
  return one.timezone === other.timezone && one.schedule.join('\n') === other.schedule.join('\n');
}

/** What becomes of the slots between those seen and the present, ascending. */
function offersOf({ starts, seenUntil }: State, present: number): Offer[] {
  const dueAfter = Math.max(seenUntil, present - lateness - 1);
  const due = slotsBetween(starts, dueAfter, present, Number.POSITIVE_INFINITY);
  const missed = missedSlots(starts, seenUntil, dueAfter, present);
  const superseded = starts.missed === 'latest' && due.length > 0;
  return [
    ...missed.skipped.map(({ slot, why }): Offer => ({ slot, how: 'skip', why })),
    ...missed.run.map(
      (slot): Offer =>
        superseded ? { slot, how: 'skip', why: madeUpLater } : { slot, how: 'catch-up' },
    ),
    ...due.map((slot): Offer => ({ slot, how: 'due' })),
  ];
}

function setRealTimer(ms: number, then: () => void): () => void {
  const timer = setTimeout(then, ms);
  return () => clearTimeout(timer);
}
