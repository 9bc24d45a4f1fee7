/** Limits the bytes a flow transfers each second. */
import { setTimeout as delay } from 'node:timers/promises';

/** Milliseconds between two reports that a throttle is waiting. */
const reportEveryMs = 1000;
/** Milliseconds of unused time that a flow may catch up on. */
const burstMs = 100;

/** Keeps a flow below a rate, with bursts of up to a tenth of a second. */
export class Throttle {
  readonly #rateNow: () => number | undefined;
  #until = 0;

  /** `rateNow`: bytes a second at this moment; undefined: no limit. */
  constructor(rateNow: () => number | undefined) {
    this.#rateNow = rateNow;
  }

  /** Resolves when `bytes` more may flow. `onWait` is called every second until then, since a deliberate wait is no stall. */
  async pass(bytes: number, signal: AbortSignal, onWait: () => void = () => {}): Promise<void> {
    const rate = this.#rateNow();
    if (rate === undefined) return;
    const now = performance.now();
    const start = Math.max(this.#until, now - burstMs);
    const length = (bytes / rate) * 1000;
    this.#until = start + length;
    for (let left = start - now; left > 0; left = start - performance.now()) {
      try {
        await delay(Math.min(left, reportEveryMs), undefined, { signal });
      } catch (error) {
        this.#until -= length; // these bytes never flowed
        throw error;
      }
      onWait();
    }
  }
}
