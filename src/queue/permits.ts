/**
 * Permits: the right to be one of n, over all processes on a store. A permit is an entry of the
 * queue `ferryline-permits-NAME` that never ends: it is taken like a run, kept by extending its lock,
 * and put back when it is released. If its holder dies, it is free again once its lock has expired.
 */
import { randomUUID } from 'node:crypto';
import { type Job as Entry, Queue, Worker } from 'bullmq';
import { abortable } from '../core/abort.js';
import { FerryError } from '../core/errors.js';
import type { Permit } from '../core/permit.js';
import {
  currentMoment,
  keepHold,
  lockMs,
  type Moment,
  stalledCheckMs,
  unlimited,
} from './holds.js';
import { keepEvents, type Store } from './store/store.js';

export interface Permits {
  /** Waits for one of `count` permits of that name, first come first served within this process. Rejects with the signal's reason. */
  take(name: string, count: number, signal: AbortSignal): Promise<Permit>;
  close(): Promise<void>;
}

export interface PermitOptions {
  /** Called when a taker has to wait for a permit, and again from time to time until it gets one. */
  readonly onWanted: (name: string) => void;
  readonly onError: (error: Error) => void;
}

/** The queue of a name is closed after this time without a holder or taker. */
const idleMs = 30_000;

export function openPermits(store: Store, options: PermitOptions): Permits {
  const queues = new Map<string, PermitQueue>();
  let closing: Promise<void> | undefined;
  return {
    take(name, count, signal) {
      let queue = queues.get(name);
      if (queue === undefined) {
        queue = new PermitQueue(store, name, options, () => queues.delete(name));
        queues.set(name, queue);
      }
      return queue.take(count, signal);
    },
    close() {
      closing ??= Promise.all([...queues.values()].map((queue) => queue.close())).then(() => {});
      return closing;
    },
  };
}

interface Taker {
  readonly give: (permit: Permit) => void;
  readonly fail: (error: unknown) => void;
}

/** The permits of one name: those this process holds, and its takers in line for the next ones. */
class PermitQueue {
  readonly #name: string;
  readonly #options: PermitOptions;
  readonly #onIdle: () => void;
  readonly #queue: Queue;
  readonly #worker: Worker;
  readonly #takers: Taker[] = [];
  readonly #held = new Set<Permit>();
  /** How many permits there should be: what the latest taker asked for. */
  #count = 0;
  /** How many were put in the queue. */
  #made = 0;
  #fetching = false;
  #closing: Promise<void> | undefined;
  #idleTimer: NodeJS.Timeout | undefined;

  constructor(store: Store, name: string, options: PermitOptions, onIdle: () => void) {
    this.#name = name;
    this.#options = options;
    this.#onIdle = onIdle;
    const queueName = `ferryline-permits-${name}`;
    this.#queue = new Queue(queueName, { ...store.options(), ...keepEvents(10) }, store.backend);
    this.#worker = new Worker(
      queueName,
      null,
      {
        ...store.options(),
        autorun: false,
        lockDuration: lockMs,
        stalledInterval: stalledCheckMs,
        // A permit is never given up, however many of its holders die.
        maxStalledCount: unlimited,
        drainDelay: 2,
      },
      store.backend,
    );
    this.#queue.on('error', options.onError);
    this.#worker.on('error', options.onError);
    void this.#worker.startStalledCheckTimer().catch(options.onError);
    this.#closeWhenIdle();
  }

  take(count: number, signal: AbortSignal): Promise<Permit> {
    this.#count = count;
    return abortable(signal, (give, fail) => {
      clearTimeout(this.#idleTimer);
      const taker: Taker = { give, fail };
      this.#takers.push(taker);
      if (!this.#fetching) void this.#fetch();
      return () => {
        const at = this.#takers.indexOf(taker);
        if (at >= 0) this.#takers.splice(at, 1);
        this.#closeWhenIdle();
      };
    });
  }

  close(): Promise<void> {
    this.#closing ??= (async () => {
      clearTimeout(this.#idleTimer);
      for (const taker of this.#takers.splice(0)) taker.fail(new Error('the queue was closed'));
      await Promise.all([...this.#held].map((permit) => permit.release()));
      await this.#worker.close();
      await this.#queue.close();
    })();
    return this.#closing;
  }

  #closeWhenIdle(): void {
    clearTimeout(this.#idleTimer);
    if (this.#held.size > 0 || this.#takers.length > 0 || this.#closing !== undefined) return;
    this.#idleTimer = setTimeout(() => {
      this.#onIdle();
      void this.close();
    }, idleMs);
    this.#idleTimer.unref();
  }

  /** Fetches permits while takers wait; a permit whose taker left is put back. */
  async #fetch(): Promise<void> {
    this.#fetching = true;
    let fruitless = 0;
    while (this.#takers.length > 0 && this.#closing === undefined) {
      const token = randomUUID();
      const since = currentMoment();
      let entry: Entry | undefined;
      try {
        await this.#make();
        entry = await this.#worker.getNextJob(token, { block: fruitless > 0 });
      } catch (error) {
        this.#takers.shift()?.fail(error);
        continue;
      }
      if (entry === undefined) {
        // Only the calls after this one block: first, holders of an idle permit may release it.
        this.#options.onWanted(this.#name);
        fruitless++;
        // A store that was emptied lost the permits, too. Making one that exists changes nothing.
        this.#made = 0;
        continue;
      }
      // A blocking call locks later than `since`, so the lock lasts longer than assumed: no harm.
      const surplus = Number(entry.id?.slice('permit-'.length)) >= this.#count;
      if (surplus) {
        await entry.moveToCompleted(undefined, token, false).catch(this.#options.onError);
        continue;
      }
      const permit = this.#hold(entry, token, since);
      const taker = this.#takers.shift();
      if (taker === undefined) await permit.release();
      else taker.give(permit);
    }
    this.#fetching = false;
  }

  async #make(): Promise<void> {
    if (this.#count <= this.#made) return;
    const wanted = this.#count;
    await this.#queue.addBulk(
      Array.from({ length: wanted }, (_, number) => ({
        name: 'permit',
        data: {},
        opts: { jobId: `permit-${number}`, removeOnComplete: true },
      })),
    );
    this.#made = wanted;
  }

  #hold(entry: Entry, token: string, since: Moment): Permit {
    const id = entry.id as string;
    const hold = keepHold(
      since,
      async () => (await this.#worker.extendJobLocks([id], [token], lockMs)).length === 0,
      () =>
        new FerryError(
          'network',
          `the permit ${this.#name} was lost: its lock in the queue expired`,
          {
            hint: 'the queue was unreachable, or this process was stopped',
          },
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
          if (!hold.lost.aborted) await entry.moveToWait(token).catch(this.#options.onError);
          this.#closeWhenIdle();
        })();
        return released;
      },
    };
    this.#held.add(permit);
    return permit;
  }
}
