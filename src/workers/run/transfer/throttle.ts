/** Limits the bytes a flow transfers each second. */
import { setTimeout as delay } from 'node:timers/promises';

/** The longest wait before the rate is asked for again, in milliseconds; a change of the rate takes effect within it. */
const lookAgainMs = 1000;
/** Milliseconds of unused time that a flow may catch up on. */
const burstMs = 100;

/** Keeps a flow below a rate, which may change while bytes wait, with bursts of up to a tenth of a second. */
export class Throttle {
  readonly #rateNow: () => number | undefined;
  /** Bytes that were asked for: those that flowed, and those that wait, in order. */
  #asked = 0;
  /** Bytes that the rate has allowed so far. */
  #allowed = 0;
  /** Who waits, and after how many bytes each is to flow. */
  readonly #waiting = new Set<{ start: number }>();
  /** When `#allowed` was brought up to date. */
  #at = Number.NEGATIVE_INFINITY;

  /** `rateNow`: bytes a second at this moment; undefined: no limit. */
  constructor(rateNow: () => number | undefined) {
    this.#rateNow = rateNow;
  }

  /** Resolves when `bytes` more may flow. `onWait` is called at least every second until then, since a deliberate wait is no stall. */
  async pass(bytes: number, signal: AbortSignal, onWait: () => void = () => {}): Promise<void> {
    let rate = this.#advance();
    if (rate === undefined) return;
    const own = { start: this.#asked };
    this.#asked += bytes;
    this.#waiting.add(own);
    try {
      for (; rate !== undefined && own.start > this.#allowed; rate = this.#advance()) {
        const waitMs = ((own.start - this.#allowed) / rate) * 1000;
        await delay(Math.min(waitMs, lookAgainMs), undefined, { signal });
        onWait();
      }
    } catch (error) {
      // these bytes never flowed: whoever waits behind them moves up
      this.#asked -= bytes;
      for (const other of this.#waiting) if (other.start > own.start) other.start -= bytes;
      throw error;
    } finally {
      this.#waiting.delete(own);
    }
  }

  /** Brings `#allowed` up to date and returns the rate at this moment. */
  #advance(): number | undefined {
    const rate = this.#rateNow();
    const now = performance.now();
    const most = this.#asked + ((rate ?? 0) * burstMs) / 1000;
    this.#allowed =
      rate === undefined ? most : Math.min(most, this.#allowed + (rate * (now - this.#at)) / 1000);
    this.#at = now;
    return rate;
  }
}
