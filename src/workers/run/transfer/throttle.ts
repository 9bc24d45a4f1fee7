/** How many bytes a second: a flow is held under a rate. */
import { setTimeout as delay } from 'node:timers/promises';

/** Milliseconds of waiting after which a throttle says that it is waiting. */
const breath = 1000;

/** Keeps a flow under `rate` bytes a second, bursts of a tenth of a second allowed. */
export class Throttle {
  readonly rate: number;
  #until = 0;

  constructor(rate: number) {
    this.rate = rate;
  }

  /** Resolves when `bytes` more may flow. `onWait` is called each second until then: standing still on purpose is no stall. */
  async pass(bytes: number, signal: AbortSignal, onWait: () => void = () => {}): Promise<void> {
    const now = performance.now();
    const start = Math.max(this.#until, now - 100);
    const length = (bytes / this.rate) * 1000;
    this.#until = start + length;
    for (let left = start - now; left > 0; left = start - performance.now()) {
      try {
        await delay(Math.min(left, breath), undefined, { signal });
      } catch (error) {
        this.#until -= length; // it never flowed
        throw error;
      }
      onWait();
    }
  }
}
