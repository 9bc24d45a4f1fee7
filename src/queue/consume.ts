/** Takes runs out of the queues and has them carried out: one for each free place of this process. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Job as Entry, UnrecoverableError } from 'bullmq';
import { cutReport } from '../core/cut-report.js';
import { FerryError } from '../core/errors.js';
import type { Report } from '../core/events.js';
import type { Assignment, AttemptEnd, RunRequest } from '../core/request.js';
import { Fetcher, type Taken } from './fetcher.js';
import { type Hold, recordAgainMs, stalledCheckMs } from './holds.js';
import { Looker } from './looker.js';
import { Parked } from './parked.js';
import { runsQueueName } from './run-queues.js';
import type { Store } from './store/store.js';

export interface ConsumerOptions {
  /** Names whose runs are taken; undefined: those that any worker takes. */
  readonly workers: readonly (string | undefined)[];
  /** A place for one more run, given back by the function; undefined while there is none. */
  readonly takePlace: () => (() => void) | undefined;
  readonly carryOut: (assignment: Assignment) => Promise<AttemptEnd>;
  /** Called when a run's entry has ended, with the whole report if the run made one. */
  readonly onEnded: (run: string, report?: Report) => void;
  /** Called each second for each permit that runs wait for which this process gave back. */
  readonly onWaiting?: (permit: string) => void;
  /** A run that was called back for this permit did not take it: other processes may have one that waits for it, too. */
  readonly onPassedOn?: (permit: string) => void;
  /** Called for a run that is given up because its workers died too often; it has no report yet. */
  readonly onGivenUp: (request: RunRequest, why: string) => void;
  readonly onError: (error: Error) => void;
}

export interface Consumer {
  /** A run may be there, or a place for one. */
  look(): void;
  /** A permit of this name is free. */
  released(permit: string): void;
  /** Takes no more runs. */
  pause(): Promise<void>;
  /** Takes no more runs; resolves when those in hand have ended or were returned to the queue. */
  close(): Promise<void>;
}

/** A run that waits for a moment is looked at again after this time, in milliseconds: the clock may have been set. */
const lookAgainMs = 300_000;
/** A run whose workers died more often is given up: the run itself may be what kills them. */
const mostWorkerDeaths = 10;
/** What calls for a look may be lost between processes; an embedded queue has only one. */
const lookEveryMs = { redis: 1000, postgres: 1000, embedded: 5000 } as const;
/** Who takes a permit later hears within this time that somebody waits for it, ms. */
const sayWaitingEveryMs = 1000;

type RunEntry = Entry<RunRequest, Report>;
type RunFetcher = Fetcher<RunRequest, Report>;

class Retry extends Error {
  readonly afterMs: number;
  constructor(why: string, afterMs: number) {
    super(why);
    this.afterMs = afterMs;
  }
}

export function consume(store: Store, options: ConsumerOptions): Consumer {
  return new RunConsumer(store, options);
}

class RunConsumer implements Consumer {
  /** The store's. */
  readonly #clock: () => number;
  readonly #options: ConsumerOptions;
  readonly #fetchers: readonly RunFetcher[];
  readonly #parked = new Parked();
  readonly #inHand = new Set<Promise<void>>();
  readonly #timers: NodeJS.Timeout[];
  /** Whose turn it is to be fetched from first. */
  #turn = 0;
  readonly #looker: Looker;
  /** When it looks for entries that wait for a moment, by the store's clock, ms since the epoch. */
  #dueAt = Number.POSITIVE_INFINITY;
  #dueTimer: NodeJS.Timeout | undefined;
  #paused = false;

  constructor(store: Store, options: ConsumerOptions) {
    this.#clock = () => store.clock();
    this.#options = options;
    this.#fetchers = options.workers.map(
      (worker) =>
        new Fetcher(store, runsQueueName(store, worker), {
          mostDeaths: mostWorkerDeaths,
          backoff: (error) => (error instanceof Retry ? error.afterMs : 1000),
          onError: options.onError,
        }),
    );
    this.#looker = new Looker(() => this.#look(), options.onError);
    this.#timers = [
      setInterval(() => this.look(), lookEveryMs[store.kind]).unref(),
      setInterval(() => this.#sayWaiting(), sayWaitingEveryMs).unref(),
      setInterval(() => void this.#returnStalled(), stalledCheckMs).unref(),
    ];
    void this.#returnStalled();
    this.look();
  }

  look(): void {
    this.#looker.call();
  }

  released(permit: string): void {
    void this.#parked.released(permit).then(() => this.look());
  }

  async pause(): Promise<void> {
    this.#paused = true;
    for (const timer of this.#timers) clearInterval(timer);
    clearTimeout(this.#dueTimer);
  }

  async close(): Promise<void> {
    await this.pause();
    await this.#looker.settled();
    while (this.#inHand.size > 0) await Promise.all(this.#inHand);
    await Promise.all(this.#fetchers.map((fetcher) => fetcher.close()));
  }

  #sayWaiting(): void {
    for (const permit of this.#parked.names()) this.#options.onWaiting?.(permit);
  }

  /** Fetches while there are places and runs. */
  async #look(): Promise<void> {
    let empty = 0;
    while (empty < this.#fetchers.length) {
      const leave = this.#paused ? undefined : this.#options.takePlace();
      // A place that becomes free makes it look again.
      if (leave === undefined) return;
      const fetcher = this.#fetchers[this.#turn++ % this.#fetchers.length] as RunFetcher;
      if (await this.#fetch(fetcher, leave)) empty = 0;
      else empty++;
    }
  }

  /** Takes a run from a queue and has it carried out in that place; resolves to whether there was one. */
  async #fetch(fetcher: RunFetcher, leave: () => void): Promise<boolean> {
    try {
      const taken = await fetcher.fetch();
      if (taken.entry !== undefined) {
        const work = this.#carry(fetcher, taken, leave).finally(() => this.#inHand.delete(work));
        this.#inHand.add(work);
        return true;
      }
      this.#lookAt(taken.dueAt);
    } catch (error) {
      this.#options.onError(error as Error);
    }
    leave();
    return false;
  }

  /** Looks when the next entry is due that waits for a moment. */
  #lookAt(dueAt: number | undefined): void {
    const now = this.#clock();
    if (dueAt === undefined || dueAt > Math.min(this.#dueAt, now + lookEveryMs.embedded)) return;
    this.#dueAt = dueAt;
    clearTimeout(this.#dueTimer);
    this.#dueTimer = setTimeout(
      () => {
        this.#dueAt = Number.POSITIVE_INFINITY;
        this.look();
      },
      Math.max(1, dueAt - now),
    ).unref();
  }

  async #returnStalled(): Promise<void> {
    for (const fetcher of this.#fetchers) {
      if (this.#paused) return;
      const found = await fetcher.returnStalled().catch((error: Error) => {
        this.#options.onError(error);
        return 0;
      });
      if (found > 0) this.look();
    }
  }

  /** Never rejects. */
  async #carry(
    fetcher: RunFetcher,
    taken: Taken<RunRequest, Report>,
    leave: () => void,
  ): Promise<void> {
    const { entry, token } = taken;
    const id = entry.id as string;
    const hold = fetcher.hold(
      taken,
      () =>
        new FerryError('network', `run ${id} was taken over: its lock in the queue expired`, {
          hint: 'another worker continues it; the queue was unreachable, or this process was stopped',
        }),
    );
    try {
      const end = await this.#endOf(entry, hold);
      if (end !== undefined) await this.#store(hold, () => this.#move(end, taken, token));
    } catch (error) {
      this.#options.onError(error as Error);
    } finally {
      hold.drop();
      leave();
      this.look();
    }
  }

  /** How the attempt ends: undefined if another worker has the run. */
  async #endOf(entry: RunEntry, hold: Hold): Promise<AttemptEnd | Error | undefined> {
    if (this.#paused) return { next: 'return' };
    if (entry.deferredFailure) return new UnrecoverableError(entry.deferredFailure);
    try {
      return await this.#options.carryOut({
        request: entry.data,
        attempt: entry.attemptsMade + 1,
        attempts: entry.opts.attempts ?? 1,
        lost: hold.lost,
        isOurs: hold.isOurs,
      });
    } catch (error) {
      return hold.isOurs() ? (error as Error) : undefined;
    }
  }

  /** Stores how an attempt ended. */
  async #move(
    end: AttemptEnd | Error,
    { entry, since }: Taken<RunRequest, Report>,
    token: string,
  ): Promise<void> {
    const { onEnded, onGivenUp } = this.#options;
    const id = entry.id as string;
    if (end instanceof Error) {
      await entry.moveToFailed(end, token, false);
      if (end instanceof UnrecoverableError) onGivenUp(entry.data, end.message);
      if (entry.finishedOn) onEnded(id);
    } else if (end.next === 'end') {
      await entry.moveToCompleted(cutReport(end.report), token, false);
      if (end.report.outcome === 'cancelled') this.#passOn(waitedFor(entry));
      onEnded(id, end.report);
    } else if (end.next === 'retry') {
      await entry.moveToFailed(new Retry(end.why, end.after), token, false);
    } else if (end.next === 'wait') {
      if (end.began === true) await entry.updateData({ ...entry.data, began: true });
      const before = waitedFor(entry);
      if (before !== undefined) await entry.updateProgress({});
      await entry.moveToDelayed(Math.min(end.until, Date.now() + lookAgainMs), token);
      this.#passOn(before);
    } else if (end.next === 'park') {
      const before = waitedFor(entry);
      await this.#parked.add(entry, token, end.waitsFor, since.steady);
      if (before !== end.waitsFor) this.#passOn(before);
    } else await entry.moveToWait(token);
  }

  /** A run that waited for a permit, and may have been called back for it, has not taken it: the next one gets its turn. */
  #passOn(permit: string | undefined): void {
    if (permit === undefined) return;
    this.released(permit);
    this.#options.onPassedOn?.(permit);
  }

  /** Stores something of a run, again and again while the store is out of reach and the run is ours. */
  async #store(hold: Hold, store: () => Promise<void>): Promise<void> {
    for (;;) {
      try {
        return await store();
      } catch (error) {
        if (!hold.isOurs()) throw hold.lost.reason ?? error;
        await sleep(recordAgainMs);
      }
    }
  }
}

/** What a run waited for when it was parked last. */
function waitedFor({ progress }: RunEntry): string | undefined {
  return (progress as { readonly waitsFor?: string }).waitsFor;
}
