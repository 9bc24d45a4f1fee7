/**
 * Short messages between the processes on a store, such as "cancel that run". A process that is not
 * connected misses them, so whoever waits for one also looks by itself from time to time. The sender
 * hears its own at once; an embedded store has no other process, and its messages stay in memory.
 */
import { randomUUID } from 'node:crypto';
import { EventEmitter } from 'node:events';
import { QueueEvents, QueueEventsProducer } from 'bullmq';
import { answered } from './answered.js';
import type { Store } from './store/store.js';

interface SignalMap {
  /** Stop this run. */
  readonly cancel: { readonly run: string };
  /** A run was added, or may be begun again: those that take runs look. Absent worker: any may take it. */
  readonly requested: { readonly run: string; readonly job: string; readonly worker?: string };
  /** A run's entry has ended, and its report can be read. */
  readonly ended: { readonly run: string };
  /** A run was cancelled before it began, and its entry is gone: its report, as JSON. Comes before its `ended`. */
  readonly cancelled: { readonly report: string };
  /** The store lost this run: who has its report? */
  readonly asked: { readonly question: string; readonly run: string };
  /** What the process `worker` knows of it: the report, as JSON, or nothing. */
  readonly answer: {
    readonly question: string;
    readonly worker: string;
    readonly report?: string;
  };
  /** Somebody waits for a permit of that name: an idle login is given up. */
  readonly wanted: { readonly permit: string };
  /** A permit of that name is free. */
  readonly released: { readonly permit: string };
  /** So many slots of a job have passed without the run they were for. */
  readonly missed: { readonly job: string; readonly count: string };
  /** A job was paused or resumed: read the pauses again. */
  readonly pauses: { readonly job: string };
  /** What is wanted of a run, as JSON, of the worker or the process, or of whoever has it. */
  readonly pieceAsked: {
    readonly question: string;
    readonly wanted: string;
    readonly worker?: string;
    readonly process?: string;
  };
  /** That process has put it there. */
  readonly pieceReady: { readonly question: string; readonly process: string };
  /** Something was said to whoever keeps incidents. */
  readonly incidents: Readonly<Record<string, never>>;
  /** Whoever keeps incidents has changed some, or made messages. */
  readonly incidentsKept: Readonly<Record<string, never>>;
  /** Somebody watches how far runs are: their workers say so more often for a while. */
  readonly look: Readonly<Record<string, never>>;
}

export interface Signals {
  /** Resolves when it is stored for the other processes; listeners of this one have heard it before. Errors: `network`. */
  send<K extends keyof SignalMap>(kind: K, message: SignalMap[K]): Promise<void>;
  /** `isOurs`: this process sent it. */
  on<K extends keyof SignalMap>(
    kind: K,
    listener: (message: SignalMap[K], isOurs: boolean) => void,
  ): void;
  close(): Promise<void>;
}

/** Messages kept for readers that are behind; one that falls further behind misses the oldest. */
const messagesKept = 10_000;

/** Of each embedded store: everything that opens its signals hears the same. */
const embedded = new WeakMap<Store, EventEmitter>();

/** Resolves once signals arrive. Errors: `network`. */
export async function openSignals(store: Store, onError: (error: Error) => void): Promise<Signals> {
  if (store.kind === 'embedded') return embeddedSignals(store);
  // Layout 1's was `ferryline-signals`: its processes are known by listening there.
  const name = store.queueName('messages');
  const producer = new QueueEventsProducer(name, store.options(), store.backend);
  const events = new QueueEvents(name, store.options(), store.backend);
  producer.on('error', onError);
  events.on('error', onError);
  await answered(firstArrival(producer, events));
  const here = newEmitter();
  const from = randomUUID();
  return {
    async send(kind, message) {
      here.emit(kind, message, true);
      await answered(producer.publishEvent({ eventName: kind, ...message, from }, messagesKept));
    },
    on(kind, listener) {
      here.on(kind, listener);
      // BullMQ types its own events only; ours carry what `send` gave them.
      (events as unknown as EventEmitter).on(kind, ({ from: sender, ...message }) => {
        if (sender !== from) listener(message, false);
      });
    },
    async close() {
      await events.close();
      await producer.close();
    },
  };
}

function embeddedSignals(store: Store): Signals {
  const all = embedded.get(store) ?? newEmitter();
  embedded.set(store, all);
  const leave: (() => void)[] = [];
  return {
    async send(kind, message) {
      all.emit(kind, message, true);
    },
    on(kind, listener) {
      all.on(kind, listener);
      leave.push(() => all.off(kind, listener));
    },
    async close() {
      for (const off of leave.splice(0)) off();
    },
  };
}

function newEmitter(): EventEmitter {
  const emitter = new EventEmitter();
  emitter.setMaxListeners(0);
  return emitter;
}

/** Resolves once a message of our own has arrived: on Redis, messages sent before the first read are missed. */
async function firstArrival(producer: QueueEventsProducer, events: QueueEvents): Promise<void> {
  const hello = randomUUID();
  const arrived = new Promise<void>((resolve) => {
    (events as unknown as EventEmitter).on('hello', ({ id }: { id: string }) => {
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
