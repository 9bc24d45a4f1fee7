/** Wrong tokens of the last minute, by the address they came from: after ten, the next wrong ones are told to wait. */
import { Refusal } from '../problem.js';

const mostFailures = 10;
const withinMs = 60_000;
/** Addresses that are remembered; beyond them the one that failed longest ago is forgotten. */
const mostAddresses = 1000;

export class TokenFailures {
  readonly #now: () => number;
  /** When each address failed; the address that failed last is the last. */
  readonly #times = new Map<string, number[]>();

  /** `now`: ms, of a clock that is never set. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** What a wrong token is answered when too many have come from its address; undefined: they have not. */
  refusal(address: string): Refusal | undefined {
    const times = this.#recent(address);
    const [first] = times;
    if (times.length < mostFailures || first === undefined) return undefined;
    const seconds = Math.max(1, Math.ceil((first + withinMs - this.#now()) / 1000));
    return new Refusal('too-many', `${mostFailures} wrong tokens in a minute came from here`, {
      hint: `try again in ${seconds} s; the command line is not affected`,
      headers: { 'retry-after': String(seconds) },
    });
  }

  add(address: string): void {
    const times = [...this.#recent(address), this.#now()];
    this.#times.delete(address);
    this.#times.set(address, times);
    const [oldest] = this.#times.keys();
    if (this.#times.size > mostAddresses && oldest !== undefined) this.#times.delete(oldest);
  }

  #recent(address: string): number[] {
    const since = this.#now() - withinMs;
    return (this.#times.get(address) ?? []).filter((time) => time > since);
  }
}
