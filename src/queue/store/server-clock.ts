/**
 * The clock of the queue's server beside this machine's. Each reading is one question to the server;
 * between readings the steady clock of this process counts on, so that a machine whose clock is set
 * is noticed at once.
 */
import { formatDuration } from '../../core/text.js';

/** Clocks may differ by this much; a larger difference is said. */
export const mostApartMs = 2000;

export class ServerClock {
  readonly #ask: () => Promise<number>;
  readonly #onApart: (message: string | undefined) => void;
  #reading = {
    server: Date.now(),
    asked: Date.now(),
    answered: Date.now(),
    steady: performance.now(),
  };
  #isApart = false;

  /** `ask` resolves to the server's time, ms since the epoch. `onApart` is called once when the clocks differ by over 2 s, and with undefined when they agree again. */
  constructor(ask: () => Promise<number>, onApart: (message: string | undefined) => void) {
    this.#ask = ask;
    this.#onApart = onApart;
  }

  /** Compares the clocks. Rejects as `ask` does. */
  async read(): Promise<void> {
    const asked = Date.now();
    const server = await this.#ask();
    this.#reading = { server, asked, answered: Date.now(), steady: performance.now() };
    const isApart = this.isApart();
    if (isApart !== this.#isApart) this.#onApart(isApart ? this.difference() : undefined);
    this.#isApart = isApart;
  }

  /** The server's time, ms since the epoch, as it was at the last reading and the time since. */
  now(): number {
    return Math.floor(this.#reading.server + performance.now() - this.#reading.steady);
  }

  /** How far this machine's clock is ahead of the server's at least, ms; negative: behind. The time that an answer took is no difference. */
  ahead(): number {
    const { server, asked, answered, steady } = this.#reading;
    const step = Date.now() - answered - (performance.now() - steady);
    return Math.max(0, asked - server + step) + Math.min(0, answered - server + step);
  }

  isApart(): boolean {
    return Math.abs(this.ahead()) > mostApartMs;
  }

  /** Both times, in words. */
  difference(): string {
    const ahead = this.ahead();
    const how = `${formatDuration(Math.abs(ahead))} ${ahead > 0 ? 'ahead of' : 'behind'}`;
    return `this machine's clock, ${utc(Date.now())}, is ${how} that of the queue's server, ${utc(this.now())}`;
  }
}

function utc(ms: number): string {
  return new Date(ms)
    .toISOString()
    .replace('T', ' ')
    .replace(/\.\d+Z$/, ' UTC');
}

interface ClockListener {
  readonly onWarning: (message: string) => void;
  readonly onNote?: (message: string) => void;
}

/** Says that the machine's clock and the server's differ, and what follows; undefined: that they agree again. */
export function sayApart(
  { onWarning, onNote }: ClockListener,
  difference: string | undefined,
  consequence: string,
): void {
  if (difference !== undefined) onWarning(`${difference}: ${consequence}`);
  else onNote?.("this machine's clock and that of the queue's server agree again");
}
