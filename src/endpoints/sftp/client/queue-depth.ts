/**
 * How many requests a server should have at once, found by trial. Most servers are as fast with many
 * as with few; some get slower with each further request because of a lock, a disk or a store behind
 * them. Where answers take much longer than the line does, a quarter of the requests keeps the line
 * as full, so that a trial costs nothing. Each trial is measured twice against the current limit and
 * kept only if clearly faster. A larger limit is tried again later: a server may have been slow for
 * a while.
 *
 * Pure: it is given each answer with its times.
 */

/** A measurement lasts at least this long and covers at least this many answers. */
const leastMeasuredMs = 1000;
const leastAnswers = 50;
/** A trial divides or multiplies the limit by this. */
const trialFactor = 4;
/** Below this many requests in flight, no smaller limit is tried. */
const fewestTried = 16;
/** A limit above this is no limit. */
const unlimitedAbove = 2000;
/** A smaller limit is kept only if it is at least this many times faster. */
const fasterBy = 1.25;
/** The pause after a trial that changed nothing: the first, doubled by each further one up to the longest. */
const pauseMs = { first: 10_000, longest: 80_000 };
/** This much file data counts as one answer. */
const bytesPerUnit = 32 * 1024;

/** Two limits measured in turn: larger, smaller, larger, smaller. */
interface Trial {
  readonly larger: number;
  readonly smaller: number;
  /** Units per millisecond, in the order measured. */
  readonly rates: number[];
}

export class QueueDepth {
  readonly #onChange: (limit: number) => void;
  #limit = Number.POSITIVE_INFINITY;
  #kept = Number.POSITIVE_INFINITY;
  #trial: Trial | undefined;
  #pausedUntil = 0;
  #pause = pauseMs.first;
  /** Whether the next trial is of a larger limit, where there is a limit. */
  #largerNext = true;
  /** Answers still to come for requests sent under the previous limit. */
  #skip = 0;
  /** When the measurement began, and what was answered since. */
  #begun: number | undefined;
  #answers = 0;
  #waitedMs = 0;
  #units = 0;

  /** `onChange` is called with each new limit that is kept. */
  constructor(onChange: (limit: number) => void = () => {}) {
    this.#onChange = onChange;
  }

  /** Requests that the server may have at once now, trials included; Infinity: no limit. */
  get limit(): number {
    return this.#limit;
  }

  /** The limit found so far, trials left out. It is set to what an earlier run found. */
  get kept(): number {
    return this.#kept;
  }

  set kept(limit: number) {
    this.#kept = limit;
    this.#limit = limit;
    this.#trial = undefined;
  }

  /**
   * Called for every answer: to a request sent at `since` and answered `now` (ms of
   * `performance.now()`), with `bytes` of file data. `roundTrip` is what the line alone takes (ms),
   * `inFlight` the number of other requests still unanswered.
   */
  answered(since: number, now: number, bytes: number, roundTrip: number, inFlight: number): void {
    if (this.#skip > 0) {
      this.#skip--;
      return;
    }
    if (now < this.#pausedUntil) return;
    if (this.#begun === undefined) {
      this.#begun = now;
      return;
    }
    this.#answers++;
    this.#waitedMs += now - since;
    this.#units += 1 + bytes / bytesPerUnit;
    const lasted = now - this.#begun;
    if (lasted < leastMeasuredMs || this.#answers < leastAnswers) return;
    const atOnce = this.#waitedMs / lasted; // Little's law
    const queued = this.#waitedMs / this.#answers > trialFactor * roundTrip;
    const rate = this.#units / lasted;
    this.#startMeasuring();
    const before = this.#limit;
    if (this.#trial === undefined) this.#begin(atOnce, queued, rate);
    else this.#judge(this.#trial, atOnce, rate, now);
    if (this.#limit !== before) this.#skip = trialFactor * inFlight; // these, and the requests that follow from them
  }

  #startMeasuring(): void {
    this.#begun = undefined;
    this.#answers = 0;
    this.#waitedMs = 0;
    this.#units = 0;
  }

  #begin(atOnce: number, queued: boolean, rate: number): void {
    const kept = this.#kept;
    const canShrink = atOnce >= fewestTried && queued;
    const canGrow = atOnce >= kept / 2; // below that, the limit holds nothing back
    if (canGrow && (this.#largerNext || !canShrink)) {
      const wanted = kept * trialFactor;
      const larger = wanted > unlimitedAbove ? Number.POSITIVE_INFINITY : wanted;
      this.#trial = { larger, smaller: kept, rates: [] };
      this.#limit = larger;
    } else if (canShrink) {
      const smaller = Math.round(atOnce / trialFactor);
      this.#trial = { larger: kept, smaller, rates: [rate] };
      this.#limit = smaller;
    }
  }

  #judge(trial: Trial, atOnce: number, rate: number, now: number): void {
    const { larger, smaller, rates } = trial;
    const isSmaller = this.#limit === smaller;
    // with less to do than the limit allows, the measurement says nothing about the limit
    const isMeaningful = atOnce >= (isSmaller ? smaller / 2 : smaller * 2);
    rates.push(rate);
    const [larger1 = 0, smaller1 = Number.POSITIVE_INFINITY, larger2 = 0, smaller2] = rates;
    if (!isMeaningful) this.#end(this.#kept, now);
    else if (Math.min(smaller1, smaller2 ?? smaller1) < fasterBy * Math.max(larger1, larger2))
      this.#end(larger, now);
    else if (smaller2 !== undefined) this.#end(smaller, now);
    else this.#limit = isSmaller ? larger : smaller;
  }

  /** Keeps a limit. The next trial follows at once if it is a new one, else after a pause. */
  #end(limit: number, now: number): void {
    const changed = limit !== this.#kept;
    const isLarger = limit > this.#kept;
    this.kept = limit;
    if (changed) {
      this.#pause = pauseMs.first;
      this.#largerNext = isLarger;
      this.#onChange(limit);
    } else {
      this.#largerNext = !this.#largerNext;
      this.#pausedUntil = now + this.#pause;
      this.#pause = Math.min(2 * this.#pause, pauseMs.longest);
    }
  }
}
