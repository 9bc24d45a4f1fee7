/** How many requests somebody may send: so many a minute, which may come at once. A program that asks without a pause must not keep others waiting. */
import { Refusal } from '../problem.js';

/** Callers that are remembered; beyond them the one that asked longest ago is forgotten, and may begin anew. */
const mostCallers = 1000;

export class RequestRate {
  readonly #perMinute: number;
  readonly #now: () => number;
  /** What each may still send, and as of when; who asked last is last. */
  readonly #left = new Map<string, { readonly requests: number; readonly at: number }>();

  /** `now`: ms, of a clock that is never set. */
  constructor(perMinute: number, now: () => number) {
    this.#perMinute = perMinute;
    this.#now = now;
  }

  /** Throws when somebody has sent too many. */
  take(caller: string): void {
    const now = this.#now();
    const known = this.#left.get(caller) ?? { requests: this.#perMinute, at: now };
    const gained = ((now - known.at) / 60_000) * this.#perMinute;
    const requests = Math.min(this.#perMinute, known.requests + gained);
    this.#left.delete(caller);
    this.#left.set(caller, { requests: requests < 1 ? requests : requests - 1, at: now });
    const [oldest] = this.#left.keys();
    if (this.#left.size > mostCallers && oldest !== undefined) this.#left.delete(oldest);
    if (requests >= 1) return;
    const seconds = Math.ceil(((1 - requests) / this.#perMinute) * 60);
    throw new Refusal('too-many', `more than ${this.#perMinute} requests a minute came from here`, {
      hint: `try again in ${seconds} s; a stream tells what changes without asking`,
      headers: { 'retry-after': String(seconds) },
    });
  }
}
