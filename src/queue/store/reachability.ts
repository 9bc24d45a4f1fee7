/**
 * Whether a store answers. It is asked every 4 s, and at once when a connection reports an error: a
 * network that drops packets closes no connection, and a single lost connection is no outage.
 */
import { inTime } from '../in-time.js';
import { isConnectionError, storeFailure } from './failures.js';

/** With the limit for an answer: a silent store is noticed within 15 s. */
const pingEveryMs = 4000;
/** The same error of a connection is reported once in this time. */
const sameErrorMs = 60_000;

interface ReachabilityOptions {
  /** Called with the reason when the store can't be used, again if the reason becomes a refused login, and with undefined when it can. */
  readonly onTrouble: (trouble: Error | undefined) => void;
  readonly onWarning: (message: string) => void;
}

export class Reachability {
  readonly #options: ReachabilityOptions;
  #ping: (() => Promise<void>) | undefined;
  #away: Error | undefined;
  #looking: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  readonly #reported = new Map<string, number>();

  constructor(options: ReachabilityOptions) {
    this.#options = options;
  }

  /** Why the store can't be used, as the last look found; undefined when it can. */
  get away(): Error | undefined {
    return this.#away;
  }

  /** Begins to look. `ping` rejects while the store can't be used. */
  begin(ping: () => Promise<void>): void {
    this.#ping = ping;
    this.#timer = setInterval(() => void this.look(), pingEveryMs);
    this.#timer.unref();
  }

  /** Looks now. Never rejects. */
  look(): Promise<void> {
    if (this.#ping === undefined) return Promise.resolve();
    this.#looking ??= inTime(this.#ping())
      .then(
        () => this.#found(undefined),
        (error: Error) => this.#found(error),
      )
      .finally(() => {
        this.#looking = undefined;
      });
    return this.#looking;
  }

  /** An object on the store failed with this error: an outage, a connection that is made anew, or a reason of its own. */
  suspect(error: Error): void {
    void this.look().then(() => {
      if (this.#ping === undefined || this.#away !== undefined) return;
      if (!isConnectionError(error)) this.#report(error);
    });
  }

  end(): void {
    clearInterval(this.#timer);
    this.#ping = undefined;
  }

  #found(error: Error | undefined): void {
    if (this.#ping === undefined) return;
    const before = this.#away === undefined ? undefined : storeFailure(this.#away).kind;
    const failure = error === undefined ? undefined : storeFailure(error);
    this.#away = error;
    if (before === failure?.kind || (before !== undefined && failure?.kind === 'network')) return;
    this.#options.onTrouble(failure);
  }

  #report({ message }: Error): void {
    const now = performance.now();
    for (const [known, at] of this.#reported)
      if (now - at >= sameErrorMs) this.#reported.delete(known);
    if (this.#reported.has(message)) return;
    this.#reported.set(message, now);
    this.#options.onWarning(`the queue: ${message}`);
  }
}
