/**
 * How far runs are, from the processes that carry them out to those that show it. It has a stream of its
 * own, since it must push out no signal that a reader still has to come to; only the newest states count.
 */
import { randomUUID } from 'node:crypto';
import type { EventEmitter } from 'node:events';
import { QueueEvents, QueueEventsProducer } from 'bullmq';
import type { RunProgress } from '../core/run-progress.js';
import { answered } from './answered.js';
import type { Store } from './store/store.js';

export interface ProgressStream {
  /** Sends the states of this process's runs to the others. Errors: `network`. */
  send(states: readonly RunProgress[]): Promise<void>;
  /** Passes on what other processes send; of a process that reads nothing, nothing. */
  on(listener: (states: readonly RunProgress[]) => void): void;
  close(): Promise<void>;
}

/** Messages kept for readers that are behind: one that misses some has newer ones. */
const messagesKept = 1000;

/** `reads`: whether this process shows what others send, for which it has a connection more. */
export function openProgressStream(
  store: Store,
  reads: boolean,
  onError: (error: Error) => void,
): ProgressStream {
  if (store.kind === 'embedded') return { async send() {}, on() {}, async close() {} };
  const name = store.queueName('progress');
  const from = randomUUID();
  const producer = new QueueEventsProducer(name, store.options(), store.backend);
  producer.on('error', onError);
  const events = reads ? new QueueEvents(name, store.options(), store.backend) : undefined;
  events?.on('error', onError);
  return {
    async send(states) {
      const message = { eventName: 'states', states: JSON.stringify(states), from };
      await answered(producer.publishEvent(message, messagesKept));
    },
    on(listener) {
      // BullMQ types its own events only; ours carry what `send` gave them.
      (events as unknown as EventEmitter | undefined)?.on('states', (message) => {
        if (message.from !== from) listener(JSON.parse(message.states));
      });
    },
    async close() {
      await events?.close();
      await producer.close();
    },
  };
}
