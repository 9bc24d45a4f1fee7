/** What is done when the queue's store was emptied: the acknowledged requests are added again, and what else is kept there. */
import { sharedLook } from '../core/at-once.js';
import type { RootLog } from '../observe/log.js';
import type { OpenQueue } from '../queue/open.js';

export interface EmptiedParts {
  readonly queue: Pick<
    OpenQueue,
    'mark' | 'restoreInstallation' | 'runs' | 'slots' | 'trouble' | 'workers'
  >;
  /** Whether a run has a report here that no further attempt follows. */
  readonly hasEnded: (run: string) => Promise<boolean>;
  readonly log: RootLog;
  /** Brings back what is not a run: pauses, schedules, watches. Never rejects. */
  readonly restore: () => Promise<void>;
}

const lookEveryMs = 5000;

export class Emptied {
  readonly #parts: EmptiedParts;
  #timer: NodeJS.Timeout | undefined;
  /** The store was emptied, and not everything was brought back yet. */
  #isDue = false;
  /** Looks now, and brings back what was lost; resolves to whether the store was emptied. Errors: `network`; then the next look brings it back. */
  readonly look = sharedLook(() => this.#look());

  constructor(parts: EmptiedParts) {
    this.#parts = parts;
  }

  /** Looks from time to time. */
  begin(): void {
    this.#timer = setInterval(() => {
      if (this.#parts.queue.trouble() === undefined) void this.look().catch(() => {});
    }, lookEveryMs);
    this.#timer.unref();
  }

  /** Milliseconds until a run that was taken may begin. Errors: `network`. */
  async quietMs(): Promise<number> {
    await this.look();
    return this.#parts.queue.mark.quietMs();
  }

  /** Adds what an embedded queue lost that was set aside. Errors: `network`. */
  async afterRestart(): Promise<void> {
    await this.#addLost(false);
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
  }

  async #look(): Promise<boolean> {
    const { queue, log, restore } = this.#parts;
    if (await queue.mark.look()) {
      const seconds = Math.ceil(queue.mark.quietMs() / 1000);
      log.warn(`the queue was emptied, and its locks with it: no run begins for ${seconds} s`);
      this.#isDue = true;
    }
    if (!this.#isDue) return false;
    await queue.restoreInstallation();
    await queue.workers.tell();
    await this.#addLost(true);
    await queue.slots.addLost();
    this.#isDue = false;
    await restore();
    return true;
  }

  async #addLost(mark: boolean): Promise<void> {
    const { queue, hasEnded, log } = this.#parts;
    const added = await queue.runs.addLost(hasEnded, mark);
    if (added > 0)
      log.warn('acknowledged requests that the queue lost were added again', { runs: added });
  }
}
