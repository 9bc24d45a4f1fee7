/** A process's queue: the store, and everything kept in it. */
import { setTimeout as sleep } from 'node:timers/promises';
import { asFerryError } from '../core/errors.js';
import type { KnownWorker } from '../core/known-worker.js';
import { formatDuration } from '../core/text.js';
import { rememberQueueInstallation } from '../state/installation.js';
import { queueFolder } from '../state/layout.js';
import { earlierProcesses } from './earlier-processes.js';
import { installationOf } from './installation.js';
import { openPauses, type Pauses } from './pauses.js';
import { openPermits, type Permits } from './permits.js';
import { openRunQueue, type RunQueue } from './runs.js';
import { openSignals, type Signals } from './signals.js';
import { openSlots, type Slots } from './slots.js';
import { openStore, type Store } from './store/store.js';
import { openWorkers, type Workers } from './workers.js';

export interface OpenQueueOptions {
  readonly url: string;
  /** The state folder. */
  readonly state: string;
  /** How long to keep trying while the store can't be reached, ms. */
  readonly wait: number;
  readonly signal: AbortSignal;
  readonly onNote: (message: string) => void;
  readonly onWarning: (message: string) => void;
  /** Called when the store is back after an outage. */
  readonly onBack: () => void;
  /** Called once when an embedded store can't be used any more; opening the queue again helps. */
  readonly onBroken: (why: string) => void;
}

export interface OpenQueue {
  readonly store: Store;
  /** The id of the installation that shares a Redis or Postgres; undefined for an embedded queue. */
  readonly installation: string | undefined;
  readonly runs: RunQueue;
  readonly slots: Slots;
  readonly permits: Permits;
  readonly signals: Signals;
  readonly pauses: Pauses;
  readonly workers: Workers;
  /** The processes of daemons that work on this queue, this one too; one silent for 60 s is none. Errors: `network`. */
  knownWorkers(): Promise<KnownWorker[]>;
  /** Where processes of builds that don't make themselves known are connected from. Errors: `network`. */
  earlierProcesses(): Promise<string[]>;
  /** Why the store can't be reached; undefined while it can. */
  trouble(): string | undefined;
  close(): Promise<void>;
}

/** After an outage, errors of connections that have not noticed its end are ignored for this time. */
const ignoreErrorsMs = 4000;
/** Time between two pings, which find outages and their ends. */
const pingEveryMs = 5000;

/** Opens the queue. Errors: `network` when it can't be reached for `wait`, `config` for a store that must not be used as it is. */
export async function openQueue(options: OpenQueueOptions): Promise<OpenQueue> {
  const { state, onWarning } = options;
  const outages = new Outages(options);
  const onTrouble = (error: Error | undefined) => outages.report(error);
  const store = await connect(options, onTrouble);
  const failed = async (error: unknown): Promise<never> => {
    outages.ignore();
    await store.close().catch(() => {});
    throw error;
  };
  const id = await installationOf(store, onTrouble).catch(failed);
  const installation = store.kind === 'embedded' ? undefined : id;
  if (installation !== undefined) await rememberQueueInstallation(state, installation);
  const slots = openSlots(store, onTrouble);
  const workers = openWorkers(store, onTrouble);
  const signals = await openSignals(store, onTrouble).catch(failed);
  const runs = await openRunQueue(store, signals, onTrouble).catch(failed);
  const pauses = await openPauses({ store, state, onError: onTrouble, onWarning }).catch(failed);
  const permits = openPermits(store, {
    onWanted: (permit) => void signals.send('wanted', { permit }).catch(() => {}),
    onError: onTrouble,
  });
  // Postgres clients don't report that they are connected again, and an idle one notices no outage.
  const ping = setInterval(() => {
    store.ping().then(() => onTrouble(undefined), onTrouble);
  }, pingEveryMs);
  ping.unref();
  return {
    store,
    installation,
    runs,
    slots,
    permits,
    signals,
    pauses,
    workers,
    knownWorkers: () => workers.known(),
    earlierProcesses: () => earlierProcesses(store),
    trouble: () => outages.trouble,
    async close() {
      outages.ignore();
      clearInterval(ping);
      await permits.close();
      await Promise.allSettled([workers, slots, runs, signals, pauses].map((part) => part.close()));
      await store.close();
    },
  };
}

/** Makes one warning of an outage, whichever and however many connections report it, and one note of its end. */
class Outages {
  readonly #options: Pick<OpenQueueOptions, 'onNote' | 'onWarning' | 'onBack'>;
  #trouble: string | undefined;
  #backAt = Number.NEGATIVE_INFINITY;
  #ignored = false;

  constructor(options: Pick<OpenQueueOptions, 'onNote' | 'onWarning' | 'onBack'>) {
    this.#options = options;
  }

  /** Why the store can't be reached; undefined while it can. */
  get trouble(): string | undefined {
    return this.#trouble;
  }

  /** A connection failed, or (undefined) works. */
  report(error: Error | undefined): void {
    if (error === undefined) {
      if (this.#trouble === undefined) return;
      this.#trouble = undefined;
      this.#backAt = performance.now();
      this.#options.onNote('the queue can be reached again');
      this.#options.onBack();
      return;
    }
    // Connections may still report the outage that just ended; a new outage is found by the ping.
    const justBack =
      this.#trouble === undefined && performance.now() - this.#backAt < ignoreErrorsMs;
    if (this.#ignored || justBack) return;
    const message = error.message || (error as NodeJS.ErrnoException).code || String(error);
    // Clients report every failed attempt; one warning for each outage is enough.
    if (this.#trouble === undefined) this.#options.onWarning(`the queue: ${message}`);
    this.#trouble = message;
  }

  /** The queue is being closed: no error is reported any more. */
  ignore(): void {
    this.#ignored = true;
  }
}

async function connect(
  { url, state, wait, signal, onNote, onWarning, onBroken }: OpenQueueOptions,
  onTrouble: (error: Error | undefined) => void,
): Promise<Store> {
  const until = performance.now() + wait;
  let connected = false;
  const onStoreTrouble = (error: Error | undefined) => {
    if (connected) onTrouble(error);
  };
  for (let pauseMs = 500; ; pauseMs = Math.min(pauseMs * 2, 5000)) {
    try {
      const folder = queueFolder(state);
      const store = await openStore({
        url,
        folder,
        onTrouble: onStoreTrouble,
        onWarning,
        onNote,
        onBroken,
      });
      connected = true;
      return store;
    } catch (thrown) {
      const error = asFerryError(thrown);
      const leftMs = until - performance.now();
      if (error.kind !== 'network' || leftMs <= 0) throw error;
      onNote(
        `${error.message}; trying again for ${formatDuration(Math.ceil(leftMs / 1000) * 1000)}`,
      );
      await sleep(Math.min(pauseMs, leftMs), undefined, { signal });
    }
  }
}
