/** Refused logins for the record: one line a second at most, so that whoever guesses can't fill it. */

export interface RefusedLogin {
  readonly address: string;
  /** The kind of the refusal. */
  readonly result: string;
  /** How many more there were since the line before. */
  readonly more: number;
}

const apartMs = 1000;

export class RefusedLogins {
  readonly #now: () => number;
  readonly #record: (login: RefusedLogin) => void;
  #recordedAt = Number.NEGATIVE_INFINITY;
  #more = 0;

  /** `now`: ms, of a clock that is never set. */
  constructor(now: () => number, record: (login: RefusedLogin) => void) {
    this.#now = now;
    this.#record = record;
  }

  add(address: string, result: string): void {
    const now = this.#now();
    if (now - this.#recordedAt < apartMs) {
      this.#more++;
      return;
    }
    this.#recordedAt = now;
    this.#record({ address, result, more: this.#more });
    this.#more = 0;
  }
}
