/** Short messages between the processes on a store, such as "cancel that run". A process that is not connected misses them. */
import { randomUUID } from 'node:crypto';
import { QueueEvents, QueueEventsProducer } from 'bullmq';
import { answered } from './answered.js';
import type { Store } from './store/store.js';

interface SignalMap {
  /** Stop this run. */
  readonly cancel: { readonly run: string };
  /** Somebody waits for a permit of that name. */
  readonly wanted: { readonly permit: string };
  /** A job was paused or resumed: read the pauses again. */
  readonly pauses: { readonly job: string };
}

export interface Signals {
  send<K extends keyof SignalMap>(kind: K, message: SignalMap[K]): Promise<void>;
  on<K extends keyof SignalMap>(kind: K, listener: (message: SignalMap[K]) => void): void;
  close(): Promise<void>;
}

/** Resolves once signals arrive. Errors: `network`. */
export async function openSignals(store: Store, onError: (error: Error) => void): Promise<Signals> {
  const name = 'ferryline-signals';
  const producer = new QueueEventsProducer(name, store.options(), store.backend);
  const events = new QueueEvents(name, store.options(true), store.backend);
  producer.on('error', onError);
  events.on('error', onError);
  await answered(firstArrival(producer, events));
  return {
    async send(kind, message) {
      await answered(producer.publishEvent({ eventName: kind, ...message }));
    },
    on(kind, listener) {
      // BullMQ types its own events only; ours carry what `send` gave them.
      (events as unknown as NodeJS.EventEmitter).on(kind, listener);
    },
    async close() {
      await events.close();
      await producer.close();
    },
  };
}

/** Resolves once a message of our own has arrived: on Redis, messages sent before the first read are missed. */
async function firstArrival(producer: QueueEventsProducer, events: QueueEvents): Promise<void> {
  const hello = randomUUID();
  const arrived = new Promise<void>((resolve) => {
    (events as unknown as NodeJS.EventEmitter).on('hello', ({ id }: { id: string }) => {
      if (id === hello) resolve();
    });
  });
  const say = () => producer.publishEvent({ eventName: 'hello', id: hello });
  const timer = setInterval(() => void say().catch(() => {}), 100);
  try {
    await say();
    await arrived;
  } finally {
    clearInterval(timer);
  }
}
