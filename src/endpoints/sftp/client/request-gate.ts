/**
 * Where requests wait that the server is not to have yet, over all channels of a session. What
 * belongs to something open goes before what opens another, so that with few requests at once few
 * files are open, too.
 */
import { Depth } from './queue-depth.js';

/** A request that waits. */
export interface Held {
  /** Whether it opens a file or a folder. */
  readonly opens: boolean;
  /** Whether it will not be sent any more. */
  isOver(): boolean;
  /** Sends it, or settles it where it is over. */
  go(): void;
}

export class Gate {
  readonly depth: Depth;
  #inFlight = 0;
  #first: Held[] = [];
  #later: Held[] = [];

  constructor(depth = new Depth()) {
    this.depth = depth;
  }

  /** Whether a request has to wait. */
  get isFull(): boolean {
    return this.#inFlight >= this.depth.limit || this.#first.length > 0 || this.#later.length > 0;
  }

  hold(held: Held): void {
    (held.opens ? this.#later : this.#first).push(held);
  }

  /** One is on its way. */
  sent(): void {
    this.#inFlight++;
  }

  /** One was answered; the arguments are Depth.answered's. */
  answered(since: number, now: number, bytes: number, roundTrip: number): void {
    this.#inFlight--;
    this.depth.answered(since, now, bytes, roundTrip, this.#inFlight);
    this.#release();
  }

  /** So many will never be answered. */
  lost(count: number): void {
    this.#inFlight -= count;
    this.#release();
  }

  /** Settles those that are over without their turn. */
  dismiss(): void {
    const over = [...this.#first, ...this.#later].filter((held) => held.isOver());
    this.#first = this.#first.filter((held) => !held.isOver());
    this.#later = this.#later.filter((held) => !held.isOver());
    for (const held of over) held.go();
  }

  #release(): void {
    while (this.#first.length + this.#later.length > 0 && this.#inFlight < this.depth.limit)
      (this.#first.shift() ?? this.#later.shift())?.go();
  }
}
