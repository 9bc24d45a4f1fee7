/** A process's queue: the store, and everything kept in it. */
import { setTimeout as sleep } from 'node:timers/promises';
import { asFerryError } from '../core/errors.js';
import type { KnownWorker } from '../core/known-worker.js';
import type { Permits } from '../core/permit.js';
import { formatDuration } from '../core/text.js';
import { queueFolder } from '../state/layout.js';
import type { Acknowledged } from './acknowledged.js';
import { type Claims, openClaims } from './claims.js';
import { earlierProcesses } from './earlier-processes.js';
import { installationOf } from './installation.js';
import { openKnownStore } from './known-store.js';
import { type LeftBehind, openLeftBehind } from './left-behind.js';
import { openPauses, type Pauses } from './pauses.js';
import { openPermits } from './permits.js';
import { openRunQueue, type RunQueue } from './runs.js';
import { openSignals, type Signals } from './signals.js';
import { openSlots, type Slots } from './slots.js';
import { openStore, type Store } from './store/store.js';
import type { StoreMark } from './store-mark.js';
import { openWorkers, type Workers } from './workers.js';

export interface OpenQueueOptions {
  readonly url: string;
  /** The installation's. */
  readonly name: string;
  /** The state folder. */
  readonly state: string;
  /** What this process acknowledged, also on a queue that it opened before. */
  readonly acknowledged: Acknowledged;
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
  /** Notices when the store was emptied. */
  readonly mark: StoreMark;
  /** The id of the installation that shares a Redis or Postgres; undefined for an embedded queue. */
  readonly installation: string | undefined;
  /** Gives the installation's id back to a store that was emptied. Errors: `network`. */
  restoreInstallation(): Promise<void>;
  readonly runs: RunQueue;
  readonly slots: Slots;
  readonly permits: Permits;
  readonly signals: Signals;
  readonly pauses: Pauses;
  readonly workers: Workers;
  readonly left: LeftBehind;
  /** The processes of daemons that work on this queue, this one too; one silent for 60 s is none. Errors: `network`. */
  knownWorkers(): Promise<KnownWorker[]>;
  /** Where processes of builds that don't make themselves known are connected from. Errors: `network`. */
  earlierProcesses(): Promise<string[]>;
  /** Which runs the keys of requests make. */
  readonly claims: Claims;
  /** Why the store can't be reached; undefined while it can. */
  trouble(): string | undefined;
  close(): Promise<void>;
}

/** Opens the queue. Errors: `network` when it can't be reached for `wait`, `auth` for refused credentials, `config` for a store that must not be used as it is. */
export async function openQueue(options: OpenQueueOptions): Promise<OpenQueue> {
  const { state, acknowledged, onWarning } = options;
  const outages = new Outages(options);
  const store = await connect(options, (error) => outages.report(error));
  const onError = (error: Error) => store.suspect(error);
  const failed = async (error: unknown): Promise<never> => {
    await store.close().catch(() => {});
    throw error;
  };
  const { id, mark } = await openKnownStore(store, state, onError).catch(failed);
  const installation = store.kind === 'embedded' ? undefined : id;
  const slots = openSlots(store, onError);
  const workers = openWorkers(store, onError);
  const left = openLeftBehind(store, onError);
  const claims = openClaims(store, onError);
  const signals = await openSignals(store, onError).catch(failed);
  const runs = await openRunQueue(store, signals, onError, acknowledged).catch(failed);
  const pauses = await openPauses({ store, state, onError, onWarning }).catch(failed);
  const permits = openPermits(store, signals, onError);
  return {
    store,
    mark,
    installation,
    async restoreInstallation() {
      await installationOf(store, onError, id);
    },
    runs,
    slots,
    permits,
    signals,
    pauses,
    workers,
    left,
    claims,
    knownWorkers: () => workers.known(),
    earlierProcesses: () => earlierProcesses(store),
    trouble: () => outages.trouble,
    async close() {
      await permits.close();
      await Promise.allSettled(
        [mark, workers, left, claims, slots, runs, signals, pauses].map((part) => part.close()),
      );
      await store.close();
    },
  };
}

/** Makes one warning of an outage, another if its reason becomes a refused login, and one note of its end. */
class Outages {
  readonly #options: Pick<OpenQueueOptions, 'onNote' | 'onWarning' | 'onBack'>;
  #trouble: string | undefined;

  constructor(options: Pick<OpenQueueOptions, 'onNote' | 'onWarning' | 'onBack'>) {
    this.#options = options;
  }

  /** Why the store can't be reached; undefined while it can. */
  get trouble(): string | undefined {
    return this.#trouble;
  }

  report(error: Error | undefined): void {
    this.#trouble = error?.message;
    if (error !== undefined) {
      this.#options.onWarning(`the queue: ${error.message}`);
      return;
    }
    this.#options.onNote('the queue can be reached again');
    this.#options.onBack();
  }
}

async function connect(
  { url, name, state, wait, signal, onNote, onWarning, onBroken }: OpenQueueOptions,
  onTrouble: (error: Error | undefined) => void,
): Promise<Store> {
  const until = performance.now() + wait;
  for (let pauseMs = 500; ; pauseMs = Math.min(pauseMs * 2, 5000)) {
    try {
      const folder = queueFolder(state);
      return await openStore({ url, name, folder, onTrouble, onWarning, onNote, onBroken });
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
