/**
 * How many requests a server is to have at once, found by trying. Most servers do as much with many
 * as with few; some do less the more they have: for a lock, a disk, a store behind them. Where
 * answers take much longer than the line does, a quarter of the requests keeps the line as full, so
 * that trying it costs nothing: what it brings is measured against what there was, twice in turn,
 * and kept where it is clearly more. More is tried again later, since servers have bad hours, too.
 *
 * Pure: it is told of each answer, with the time.
 */

/** Milliseconds that one measurement takes at least, and answers. */
const window = 1000;
const leastAnswers = 50;
/** A trial is of so many times fewer requests, or more. */
const step = 4;
/** Fewer at once than this are not the trouble. */
const few = 16;
/** More at once than this is as many as there are. */
const many = 2000;
/** So many times as fast counts as faster. */
const gain = 1.25;
/** Milliseconds after a trial that changed nothing; doubled by each such one. */
const rest = { first: 10_000, most: 80_000 };
/** Bytes of file data that count as much as an answer. */
const bytesPerUnit = 32 * 1024;

/** Two limits, measured in turn: more, fewer, more, fewer. */
interface Trial {
  readonly more: number;
  readonly fewer: number;
  /** What was measured: units a ms. */
  readonly rates: number[];
}

export class Depth {
  readonly #onChange: (limit: number) => void;
  #limit = Number.POSITIVE_INFINITY;
  #kept = Number.POSITIVE_INFINITY;
  #trial: Trial | undefined;
  #restingUntil = 0;
  #rest = rest.first;
  /** Whether more is to be tried next, where there is a limit. */
  #upNext = true;
  /** Answers yet to come that owe their time to another limit. */
  #skip = 0;
  /** The measurement: when it began, and what was answered since. */
  #begun: number | undefined;
  #answers = 0;
  #waited = 0;
  #units = 0;

  /** `onChange` is told each limit that comes to stand. */
  constructor(onChange: (limit: number) => void = () => {}) {
    this.#onChange = onChange;
  }

  /** Requests that the server is to have at once now. Infinity: as many as there are. */
  get limit(): number {
    return this.#limit;
  }

  /** The limit that stands, without what is only tried. Setting it is for what was found earlier. */
  get kept(): number {
    return this.#kept;
  }

  set kept(limit: number) {
    this.#kept = limit;
    this.#limit = limit;
    this.#trial = undefined;
  }

  /**
   * Told of every answer: asked for at `since` and come `now` (`performance.now()`'s ms), with
   * `bytes` of file data; `roundTrip` is what the line alone takes (ms), `inFlight` what is waited
   * for beside it.
   */
  answered(since: number, now: number, bytes: number, roundTrip: number, inFlight: number): void {
    if (this.#skip > 0) {
      this.#skip--;
      return;
    }
    if (now < this.#restingUntil) return;
    if (this.#begun === undefined) {
      this.#begun = now;
      return;
    }
    this.#answers++;
    this.#waited += now - since;
    this.#units += 1 + bytes / bytesPerUnit;
    const length = now - this.#begun;
    if (length < window || this.#answers < leastAnswers) return;
    const atOnce = this.#waited / length; // Little's law
    const queued = this.#waited / this.#answers > step * roundTrip;
    const rate = this.#units / length;
    this.#measureAnew();
    const before = this.#limit;
    if (this.#trial === undefined) this.#begin(atOnce, queued, rate);
    else this.#judge(this.#trial, atOnce, rate, now);
    if (this.#limit !== before) this.#skip = step * inFlight; // these, and what follows from them
  }

  #measureAnew(): void {
    this.#begun = undefined;
    this.#answers = 0;
    this.#waited = 0;
    this.#units = 0;
  }

  #begin(atOnce: number, queued: boolean, rate: number): void {
    const kept = this.#kept;
    const canTakeLess = atOnce >= few && queued;
    const canTakeMore = atOnce >= kept / 2; // else the limit limits nothing
    if (canTakeMore && (this.#upNext || !canTakeLess)) {
      const more = kept * step;
      this.#trial = { more: more > many ? Number.POSITIVE_INFINITY : more, fewer: kept, rates: [] };
      this.#limit = this.#trial.more;
    } else if (canTakeLess) {
      this.#trial = { more: kept, fewer: Math.round(atOnce / step), rates: [rate] };
      this.#limit = this.#trial.fewer;
    }
  }

  #judge(trial: Trial, atOnce: number, rate: number, now: number): void {
    const { more, fewer, rates } = trial;
    const isFewer = this.#limit === fewer;
    // where there is less to do, it is not the limit that is measured
    const isTold = atOnce >= (isFewer ? fewer / 2 : fewer * 2);
    rates.push(rate);
    const [more1 = 0, fewer1 = Number.POSITIVE_INFINITY, more2 = 0, fewer2] = rates;
    if (!isTold) this.#end(this.#kept, now);
    else if (Math.min(fewer1, fewer2 ?? fewer1) < gain * Math.max(more1, more2))
      this.#end(more, now);
    else if (fewer2 !== undefined) this.#end(fewer, now);
    else this.#limit = isFewer ? more : fewer;
  }

  /** Where a trial changed something, the next one goes on from there at once. */
  #end(limit: number, now: number): void {
    const changed = limit !== this.#kept;
    const up = limit > this.#kept;
    this.kept = limit;
    if (changed) {
      this.#rest = rest.first;
      this.#upNext = up;
      this.#onChange(limit);
    } else {
      this.#upNext = !this.#upNext;
      this.#restingUntil = now + this.#rest;
      this.#rest = Math.min(2 * this.#rest, rest.most);
    }
  }
}
