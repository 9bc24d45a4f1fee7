/**
 * When a server has been silent for too long: a deadline passed without a byte in either direction,
 * or the oldest request was overtaken by answers to later ones for as long. Time is counted in
 * ticks, so that a process that was stopped for a while does not blame the server for it.
 */
import { FerryError } from '../../../core/errors.js';

export class SilenceClock {
  /** Milliseconds between two calls of `tick`. */
  readonly intervalMs: number;
  readonly #mostTicks: number;
  #quietTicks = 0;
  #oldest: number | undefined;
  #overtakenTicks = 0;

  constructor(deadlineMs: number) {
    this.intervalMs = Math.min(1000, deadlineMs / 4);
    this.#mostTicks = Math.ceil(deadlineMs / this.intervalMs) + 1; // the first tick may come at once
  }

  /** A byte was sent or received: the silence starts anew. */
  reset(): void {
    this.#quietTicks = 0;
  }

  /**
   * Called every `intervalMs` while an answer is awaited; returns whether that has lasted too long.
   * `oldest` is the order of the oldest request, `overtaken` whether a later one was answered.
   */
  tick(oldest: number, overtaken: boolean): boolean {
    this.#quietTicks++;
    this.#overtakenTicks = overtaken && oldest === this.#oldest ? this.#overtakenTicks + 1 : 0;
    this.#oldest = oldest;
    return this.#quietTicks >= this.#mostTicks || this.#overtakenTicks >= this.#mostTicks;
  }
}

/** The error for a request (`what`) that got no answer within `deadlineMs`. */
export function silenceError(what: string, deadlineMs: number): FerryError {
  return new FerryError(
    'network',
    `the server did not answer ${what} within ${deadlineMs / 1000} s`,
    {
      code: 'ETIMEDOUT',
      hint: 'run it again; raise `replyTimeout` of this remote if the server is only slow',
    },
  );
}
