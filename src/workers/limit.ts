/** Two small limits: how many at once, and how many bytes a second. */
import { setTimeout as delay } from 'node:timers/promises';

/** A budget of `size` units that work takes from and gives back; takers wait in line. */
export class Budget {
  readonly size: number;
  #free: number;
  readonly #waiting: { readonly units: number; readonly go: () => void }[] = [];

  constructor(size: number) {
    this.size = size;
    this.#free = size;
  }

  /** Takes units without waiting, where there are enough and nobody waits for them. */
  tryTake(units: number): boolean {
    const wanted = Math.min(units, this.size);
    if (this.#waiting.length > 0 || wanted > this.#free) return false;
    this.#free -= wanted;
    return true;
  }

  /** Takes units; more than the whole budget counts as the whole budget. */
  async take(units: number): Promise<void> {
    if (this.tryTake(units)) return;
    const wanted = Math.min(units, this.size);
    await new Promise<void>((go) => this.#waiting.push({ units: wanted, go }));
  }

  give(units: number): void {
    this.#free += Math.min(units, this.size);
    for (let next = this.#waiting[0]; next && next.units <= this.#free; next = this.#waiting[0]) {
      this.#waiting.shift();
      this.#free -= next.units;
      next.go();
    }
  }
}

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
