/**
 * Holds requests back that the server should not have yet, over all channels of a session. Requests
 * for files that are open already go before those that open another, so that few requests at once
 * also means few open files.
 */
import { QueueDepth } from './queue-depth.js';

/** A request that waits to be sent. */
export interface HeldRequest {
  /** Whether it opens a file or a folder. */
  readonly opens: boolean;
  /** Whether it will not be sent any more. */
  isOver(): boolean;
  /** Sends it, or rejects it if it is over. */
  go(): void;
}

export class RequestGate {
  readonly depth: QueueDepth;
  #inFlight = 0;
  #onOpen: HeldRequest[] = [];
  #opening: HeldRequest[] = [];

  constructor(depth = new QueueDepth()) {
    this.depth = depth;
  }

  /** Whether a request has to wait. */
  get isFull(): boolean {
    return (
      this.#inFlight >= this.depth.limit || this.#onOpen.length > 0 || this.#opening.length > 0
    );
  }

  hold(held: HeldRequest): void {
    (held.opens ? this.#opening : this.#onOpen).push(held);
  }

  /** Counts a request that was sent. */
  sent(): void {
    this.#inFlight++;
  }

  /** Counts an answer; the arguments are those of `QueueDepth.answered`. */
  answered(since: number, now: number, bytes: number, roundTrip: number): void {
    this.#inFlight--;
    this.depth.answered(since, now, bytes, roundTrip, this.#inFlight);
    this.#release();
  }

  /** Drops `count` requests that will get no answer. */
  lost(count: number): void {
    this.#inFlight -= count;
    this.#release();
  }

  /** Rejects the held requests that are over, wherever they are in the line. */
  dismiss(): void {
    const over = [...this.#onOpen, ...this.#opening].filter((held) => held.isOver());
    this.#onOpen = this.#onOpen.filter((held) => !held.isOver());
    this.#opening = this.#opening.filter((held) => !held.isOver());
    for (const held of over) held.go();
  }

  #release(): void {
    while (this.#onOpen.length + this.#opening.length > 0 && this.#inFlight < this.depth.limit)
      (this.#onOpen.shift() ?? this.#opening.shift())?.go();
  }
}
