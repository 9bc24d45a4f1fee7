/**
 * When waiting for a server has lasted too long: after a deadline without a byte in either
 * direction, or with the oldest request overtaken by others' answers for as long. Time is counted
 * in ticks, so that a process stopped for a while does not take its own sleep for the server's.
 */
import { FerryError } from '../../../core/errors.js';

export class Patience {
  /** Milliseconds between two calls of `tick`. */
  readonly interval: number;
  readonly #most: number;
  #quiet = 0;
  #oldest: number | undefined;
  #overtaken = 0;

  /** `deadline` in milliseconds. */
  constructor(deadline: number) {
    this.interval = Math.min(1000, deadline / 4);
    this.#most = Math.ceil(deadline / this.interval) + 1; // the first tick may come at once
  }

  /** Something moved. */
  renew(): void {
    this.#quiet = 0;
  }

  /** Called every `interval` while something is awaited; whether that has lasted too long. */
  tick(oldest: number, overtaken: boolean): boolean {
    this.#quiet++;
    this.#overtaken = overtaken && oldest === this.#oldest ? this.#overtaken + 1 : 0;
    this.#oldest = oldest;
    return this.#quiet >= this.#most || this.#overtaken >= this.#most;
  }
}

/** What it then is: no answer to `what` within `deadline` milliseconds. */
export function silence(what: string, deadline: number): FerryError {
  return new FerryError(
    'network',
    `the server did not answer ${what} within ${deadline / 1000} s`,
    {
      code: 'ETIMEDOUT',
      hint: 'run it again; raise `deadline` of this remote if the server is only slow',
    },
  );
}
