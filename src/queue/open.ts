/** The whole of a process's queue: its store, and all that is kept there. */
import { setTimeout as sleep } from 'node:timers/promises';
import { asFerryError } from '../core/errors.js';
import { formatDuration } from '../core/text.js';
import { queueFolder } from '../state/layout.js';
import { openPauses, type Pauses } from './pauses.js';
import { openPermits, type Permits } from './permits.js';
import { openRunQueue, type RunQueue } from './runs.js';
import { openSignals, type Signals } from './signals.js';
import { openSlots, type Slots } from './slots.js';
import { openStore, type Store } from './store/store.js';

export interface OpenQueueOptions {
  readonly url: string;
  /** The state folder. */
  readonly state: string;
  /** Milliseconds to go on trying while the store can't be reached. */
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
  readonly runs: RunQueue;
  readonly slots: Slots;
  readonly permits: Permits;
  readonly signals: Signals;
  readonly pauses: Pauses;
  /** Why the store is out of reach; undefined: it isn't. */
  trouble(): string | undefined;
  close(): Promise<void>;
}

/** Milliseconds after an outage in which connections that have not noticed its end are not listened to. */
const echo = 4000;

/** Opens the queue. Errors: `network` when it can't be reached for `wait`, `config` for a store that must not be used. */
export async function openQueue(options: OpenQueueOptions): Promise<OpenQueue> {
  const { state, onWarning, onBack } = options;
  let trouble: string | undefined;
  let backAt = Number.NEGATIVE_INFINITY;
  const onTrouble = (error: Error | undefined) => {
    if (error === undefined) {
      if (trouble === undefined) return;
      trouble = undefined;
      backAt = performance.now();
      options.onNote('the queue can be reached again');
      onBack();
      return;
    }
    // Other connections may still tell of the outage that has just ended; a new one, the pulse finds.
    if (closing || (trouble === undefined && performance.now() - backAt < echo)) return;
    const message = error.message || (error as NodeJS.ErrnoException).code || String(error);
    // Clients tell of every try; people want to know once.
    if (trouble === undefined) onWarning(`the queue: ${message}`);
    trouble = message;
  };
  let closing = false;
  const store = await connect(options, onTrouble);
  const failed = async (error: unknown): Promise<never> => {
    closing = true;
    await store.close().catch(() => {});
    throw error;
  };
  const runs = openRunQueue(store, onTrouble);
  const slots = openSlots(store, onTrouble);
  const signals = await openSignals(store, onTrouble).catch(failed);
  const pauses = await openPauses(store, state, onTrouble, onWarning).catch(failed);
  const permits = openPermits(store, {
    onWanted: (permit) => void signals.send('wanted', { permit }).catch(() => {}),
    onError: onTrouble,
  });
  // Postgres' clients don't say that they are back, and an idle one notices nothing.
  const pulse = setInterval(() => {
    store.ping().then(() => onTrouble(undefined), onTrouble);
  }, 5000);
  pulse.unref();
  return {
    store,
    runs,
    slots,
    permits,
    signals,
    pauses,
    trouble: () => trouble,
    async close() {
      closing = true;
      clearInterval(pulse);
      await permits.close();
      await Promise.allSettled([slots.close(), runs.close(), signals.close(), pauses.close()]);
      await store.close();
    },
  };
}

async function connect(
  { url, state, wait, signal, onNote, onWarning, onBroken }: OpenQueueOptions,
  onTrouble: (error: Error | undefined) => void,
): Promise<Store> {
  const until = performance.now() + wait;
  let quiet = true;
  const told = (error: Error | undefined) => {
    if (!quiet) onTrouble(error);
  };
  for (let pause = 500; ; pause = Math.min(pause * 2, 5000)) {
    try {
      const folder = queueFolder(state);
      const store = await openStore({ url, folder, onTrouble: told, onWarning, onBroken });
      quiet = false;
      return store;
    } catch (thrown) {
      const error = asFerryError(thrown);
      const left = until - performance.now();
      if (error.kind !== 'network' || left <= 0) throw error;
      onNote(`${error.message}; trying again for ${formatDuration(Math.ceil(left / 1000) * 1000)}`);
      await sleep(Math.min(pause, left), undefined, { signal });
    }
  }
}
