/**
 * Permits: the right to be one of n, over all processes on a store. A permit is an entry of the
 * queue `ferryline-permits-NAME` that never ends: it is taken like a run, kept by extending its lock,
 * and put back when it is released. If its holder dies, it is free again once its lock has expired.
 * An embedded store has one process, and its permits are counted in memory (memory-permits.ts).
 */
import { abortable } from '../core/abort.js';
import { FerryError } from '../core/errors.js';
import type { Permit, Permits } from '../core/permit.js';
import { Fetcher, type Taken } from './fetcher.js';
import { stalledCheckMs, unlimited } from './holds.js';
import { memoryPermits } from './memory-permits.js';
import type { Signals } from './signals.js';
import type { Store } from './store/store.js';

/** The queue of a name is closed after this time without a holder or taker. */
const idleMs = 30_000;
/** A permit that was taken, as far as this process knows, is not asked for again within this time. */
const knownTakenMs = 1000;
/** A taker looks by itself after this time, since a signal may be lost. */
const lookAgainMs = 1000;
/** Takers in other processes that wait for a permit say so again after this time. */
const sayWantedAgainMs = 1000;
/** A permit that another process waits for is left to it for this time. */
const leaveToOthersMs = 250;
/** Dead holders are looked for as long as a try failed within this time. */
const checkForMs = 30_000;

export function openPermits(
  store: Store,
  signals: Pick<Signals, 'send' | 'on'>,
  onError: (error: Error) => void,
): Permits {
  if (store.kind === 'embedded') return memoryPermits(store, signals);
  const queues = new Map<string, PermitQueue>();
  const listeners = new Set<(name: string) => void>();
  const freed = (name: string) => {
    queues.get(name)?.wake();
    for (const listener of listeners) listener(name);
  };
  const queueOf = (name: string) => {
    let queue = queues.get(name);
    if (queue === undefined) {
      const send = (kind: 'wanted' | 'released') =>
        void signals.send(kind, { permit: name }).catch(() => {});
      const onIdle = () => queues.delete(name);
      queue = new PermitQueue(store, name, { send, onFree: () => freed(name), onIdle, onError });
      queues.set(name, queue);
    }
    return queue;
  };
  signals.on('released', ({ permit }, isOurs) => {
    if (!isOurs) freed(permit);
  });
  signals.on('wanted', ({ permit }, isOurs) => {
    if (!isOurs) queues.get(permit)?.wanted();
  });
  let closing: Promise<void> | undefined;
  return {
    tryTake: (name, count) => queueOf(name).tryTake(count),
    take: (name, count, signal) => queueOf(name).take(count, signal),
    onReleased: (listener) => void listeners.add(listener),
    close() {
      closing ??= Promise.all([...queues.values()].map((queue) => queue.close())).then(() => {});
      return closing;
    },
  };
}

interface PermitQueueOptions {
  readonly send: (kind: 'wanted' | 'released') => void;
  /** A permit is free for the takers of this process. */
  readonly onFree: () => void;
  readonly onIdle: () => void;
  readonly onError: (error: Error) => void;
}

interface Taker {
  readonly give: (permit: Permit) => void;
  readonly fail: (error: unknown) => void;
}

/** The permits of one name: those this process holds, and its takers in line for the next ones. */
class PermitQueue {
  readonly #name: string;
  readonly #options: PermitQueueOptions;
  readonly #fetcher: Fetcher<object, void>;
  readonly #takers: Taker[] = [];
  readonly #held = new Set<Permit>();
  /** How many permits there should be: what the latest taker asked for. */
  #count = 0;
  /** How many were put in the queue. */
  #made = 0;
  /** Until when they count as taken, on the clock of `performance.now()`. */
  #takenUntil = 0;
  /** How often one may have become free. */
  #wakes = 0;
  /** Whether another process waits for one. */
  #isWanted = false;
  #saidWantedAt = Number.NEGATIVE_INFINITY;
  #failedAt = Number.NEGATIVE_INFINITY;
  #serving = false;
  #wake: (() => void) | undefined;
  #checkTimer: NodeJS.Timeout | undefined;
  #closing: Promise<void> | undefined;
  #idleTimer: NodeJS.Timeout | undefined;

  constructor(store: Store, name: string, options: PermitQueueOptions) {
    this.#name = name;
    this.#options = options;
    // A permit is never given up, however many of its holders die.
    const { onError } = options;
    this.#fetcher = new Fetcher(store, store.queueName(`permits-${name}`), {
      mostDeaths: unlimited,
      onError,
    });
    this.#closeWhenIdle();
  }

  async tryTake(count: number): Promise<Permit | undefined> {
    if (this.#takers.length > 0 || performance.now() < this.#takenUntil) {
      this.#failed();
      return undefined;
    }
    this.#count = count;
    clearTimeout(this.#idleTimer);
    try {
      return await this.#fetch();
    } finally {
      this.#closeWhenIdle();
    }
  }

  take(count: number, signal: AbortSignal): Promise<Permit> {
    this.#count = count;
    return abortable(signal, (give, fail) => {
      clearTimeout(this.#idleTimer);
      const taker: Taker = { give, fail };
      this.#takers.push(taker);
      if (!this.#serving) void this.#serve();
      return () => {
        const at = this.#takers.indexOf(taker);
        if (at >= 0) this.#takers.splice(at, 1);
        this.#wake?.();
        this.#closeWhenIdle();
      };
    });
  }

  /** A permit may be free. Whoever takes it has not heard of those that wait for it. */
  wake(): void {
    this.#wakes++;
    this.#takenUntil = 0;
    this.#saidWantedAt = Number.NEGATIVE_INFINITY;
    this.#wake?.();
  }

  /** Another process waits for a permit. */
  wanted(): void {
    this.#isWanted = true;
  }

  close(): Promise<void> {
    this.#closing ??= (async () => {
      clearTimeout(this.#idleTimer);
      clearTimeout(this.#checkTimer);
      for (const taker of this.#takers.splice(0)) taker.fail(new Error('the queue was closed'));
      this.#wake?.();
      await Promise.all([...this.#held].map((permit) => permit.release()));
      await this.#fetcher.close();
    })();
    return this.#closing;
  }

  #closeWhenIdle(): void {
    clearTimeout(this.#idleTimer);
    if (this.#held.size > 0 || this.#takers.length > 0 || this.#closing !== undefined) return;
    this.#idleTimer = setTimeout(() => {
      this.#options.onIdle();
      void this.close();
    }, idleMs);
    this.#idleTimer.unref();
  }

  /** Takes permits while takers wait; a permit whose taker left is put back. */
  async #serve(): Promise<void> {
    this.#serving = true;
    while (this.#takers.length > 0 && this.#closing === undefined) {
      let permit: Permit | undefined;
      const woken = this.#woken();
      try {
        permit = await this.#fetch();
      } catch (error) {
        this.#takers.shift()?.fail(error);
        continue;
      }
      const taker = permit && this.#takers.shift();
      if (permit === undefined) await woken;
      else if (taker === undefined) await permit.release();
      else taker.give(permit);
    }
    this.#wake = undefined;
    this.#serving = false;
  }

  /** Resolves when a permit may be free, and after a while. */
  #woken(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, lookAgainMs);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  async #fetch(): Promise<Permit | undefined> {
    for (;;) {
      await this.#make();
      const wakes = this.#wakes;
      const taken = await this.#fetcher.fetch();
      if (taken.entry === undefined) {
        // One was released after the store had answered.
        if (wakes !== this.#wakes) continue;
        // A store that was emptied lost the permits, too. Making one that exists changes nothing.
        this.#made = 0;
        this.#takenUntil = performance.now() + knownTakenMs;
        this.#failed();
        return undefined;
      }
      const { entry, token } = taken;
      const isSurplus = Number(entry.id?.slice('permit-'.length)) >= this.#count;
      if (!isSurplus) return this.#hold(taken);
      await entry.moveToCompleted(undefined, token, false).catch(this.#options.onError);
    }
  }

  /** Says that a permit is wanted, and looks for dead holders for a while. */
  #failed(): void {
    const now = performance.now();
    this.#failedAt = now;
    if (now - this.#saidWantedAt >= sayWantedAgainMs) {
      this.#saidWantedAt = now;
      this.#options.send('wanted');
    }
    if (this.#checkTimer === undefined) void this.#check();
  }

  async #check(): Promise<void> {
    const again = () => void this.#check();
    this.#checkTimer = setTimeout(again, stalledCheckMs);
    this.#checkTimer.unref();
    const found = await this.#fetcher.returnStalled().catch((error: Error) => {
      this.#options.onError(error);
      return 0;
    });
    if (found > 0) {
      this.#options.send('released');
      this.#options.onFree();
    }
    const isOver = performance.now() - this.#failedAt > checkForMs && this.#takers.length === 0;
    if (!isOver && this.#closing === undefined) return;
    clearTimeout(this.#checkTimer);
    this.#checkTimer = undefined;
  }

  async #make(): Promise<void> {
    if (this.#count <= this.#made) return;
    const wanted = this.#count;
    await this.#fetcher.add(
      Array.from({ length: wanted }, (_, number) => ({
        name: 'permit',
        data: {},
        opts: { jobId: `permit-${number}`, removeOnComplete: true },
      })),
    );
    this.#made = wanted;
  }

  #hold(taken: Taken<object, void>): Permit {
    const hold = this.#fetcher.hold(
      taken,
      () =>
        new FerryError(
          'network',
          `the permit ${this.#name} was lost: its lock in the queue expired`,
          { hint: 'the queue was unreachable, or this process was stopped' },
        ),
    );
    let released: Promise<void> | undefined;
    const permit: Permit = {
      lost: hold.lost,
      isOurs: hold.isOurs,
      release: () => {
        released ??= (async () => {
          hold.drop();
          this.#held.delete(permit);
          // A lost permit may be another process's by now; one that can't be put back expires.
          if (!hold.lost.aborted)
            await taken.entry.moveToWait(taken.token).catch(this.#options.onError);
          this.#sayReleased();
          this.#closeWhenIdle();
        })();
        return released;
      },
    };
    this.#held.add(permit);
    return permit;
  }

  /** Says that a permit is free. A process that waits for it gets its turn first. */
  #sayReleased(): void {
    this.#options.send('released');
    if (!this.#isWanted) {
      this.#options.onFree();
      return;
    }
    this.#isWanted = false;
    this.#takenUntil = performance.now() + leaveToOthersMs;
    setTimeout(this.#options.onFree, leaveToOthersMs).unref();
  }
}
