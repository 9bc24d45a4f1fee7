/** Takes slots out of their queue and has them decided, several at once, without a connection that blocks (fetcher.ts). */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Job as Entry } from 'bullmq';
import { Fetcher, type Taken } from './fetcher.js';
import { recordAgainMs, stalledCheckMs, unlimited } from './holds.js';
import { Looker } from './looker.js';
import type { Store } from './store/store.js';

export interface SlotConsumerOptions<Data, End> {
  /** Decides a slot; a number: it is looked at again after so many milliseconds. A rejection is tried again, as its entry says. */
  readonly decide: (data: Data, entry: Entry<Data, End>) => Promise<End | number>;
  readonly onError: (error: Error) => void;
}

/** Slots decided at the same time. */
const mostAtOnce = 20;
/** Slots that other processes added, and those that wait for a moment, are found by looking. */
const lookEveryMs = 1000;

export class SlotConsumer<Data, End> {
  readonly #fetcher: Fetcher<Data, End>;
  readonly #options: SlotConsumerOptions<Data, End>;
  readonly #inHand = new Set<Promise<void>>();
  readonly #timers: NodeJS.Timeout[];
  readonly #looker: Looker;
  #closed = false;

  constructor(store: Store, queue: string, options: SlotConsumerOptions<Data, End>) {
    const { onError } = options;
    this.#options = options;
    this.#fetcher = new Fetcher(store, queue, { mostDeaths: unlimited, onError });
    this.#looker = new Looker(() => this.#look(), onError);
    this.#timers = [
      setInterval(() => this.look(), lookEveryMs).unref(),
      setInterval(() => void this.#returnStalled(), stalledCheckMs).unref(),
    ];
    void this.#returnStalled();
    this.look();
  }

  /** A slot may be there. */
  look(): void {
    this.#looker.call();
  }

  /** Takes no more slots; resolves when those in hand are decided. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const timer of this.#timers) clearInterval(timer);
    await this.#looker.settled();
    await Promise.all(this.#inHand);
    await this.#fetcher.close();
  }

  /** Rejects while the store is out of reach. */
  async #look(): Promise<void> {
    while (this.#inHand.size < mostAtOnce && !this.#closed) {
      const taken = await this.#fetcher.fetch();
      if (taken.entry === undefined) return;
      const work = this.#decide(taken).finally(() => {
        this.#inHand.delete(work);
        this.look();
      });
      this.#inHand.add(work);
    }
  }

  /** Never rejects. A slot whose decision could not be stored is decided again, by whoever finds it. */
  async #decide(taken: Taken<Data, End>): Promise<void> {
    const { entry, token } = taken;
    const hold = this.#fetcher.hold(taken, () => new Error('the lock of a slot expired'));
    try {
      const end = await this.#options.decide(entry.data, entry).catch((error: Error) => error);
      for (;;) {
        try {
          if (end instanceof Error) await entry.moveToFailed(end, token, false);
          else if (typeof end === 'number') await entry.moveToDelayed(Date.now() + end, token);
          else await entry.moveToCompleted(end, token, false);
          return;
        } catch (error) {
          if (!hold.isOurs() || this.#closed) throw error;
          await sleep(recordAgainMs);
        }
      }
    } catch (error) {
      this.#options.onError(error as Error);
    } finally {
      hold.drop();
    }
  }

  async #returnStalled(): Promise<void> {
    const found = await this.#fetcher.returnStalled().catch((error: Error) => {
      this.#options.onError(error);
      return 0;
    });
    if (found > 0) this.look();
  }
}
