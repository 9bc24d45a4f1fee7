/**
 * Messages to channels, as entries of `ferryline-notices`. Every step of an incident for a channel is an
 * entry `INCIDENT.STEP.CHANNEL`, added without deduplication: whoever adds it again changes nothing. Steps
 * that go out together are one message, which the entry of the first one has; those of the others name it.
 */
import { Queue, type Job as QueueEntry } from 'bullmq';
import type { Incident } from '../core/incident.js';
import { type Payload, payloadVersion } from '../core/payload.js';
import { answered } from '../queue/answered.js';
import { unlimited } from '../queue/holds.js';
import { keepEvents, type Store } from '../queue/store/store.js';

export interface Step {
  readonly incident: string;
  /** `opened`, `recovered`, `reminded-N`, `test`. */
  readonly step: string;
}

export interface Message extends Payload {
  readonly channel: string;
  readonly steps: readonly Step[];
  /** The incidents as they were, at most `mostIncidents`. */
  readonly incidents: readonly Incident[];
  /** Ms since the epoch. */
  readonly madeAt: number;
  /** The message about the beginning of its incident; absent: this one. */
  readonly replyTo?: string;
  /** Who asked for it, of a test. */
  readonly by?: string;
  /** It goes out with this other one. */
  readonly carriedBy?: string;
  /** Attempts so far, and when the first was made. */
  readonly tries?: number;
  readonly firstAt?: number;
  readonly lastError?: string;
}

/** What became of a message. */
export interface MessageEnd {
  readonly result: 'sent' | 'dead' | 'carried';
  /** Ms since the epoch. */
  readonly at: number;
  readonly why?: string;
  /** The incidents whose end it named, too. */
  readonly recovered?: readonly string[];
}

/** A message and where it is. */
export interface KnownMessage {
  readonly id: string;
  readonly message: Message;
  readonly end: MessageEnd | undefined;
}

export type MessageEntry = QueueEntry<Message, MessageEnd>;

/** Incidents that a message describes; of more it has the number. */
export const mostIncidents = 25;
/** Ended messages are kept as long as ended incidents, seconds. */
const endedKept = { age: 90 * 24 * 3600, count: 5000 };

function messageId({ incident, step }: Step, channel: string): string {
  return `${incident}.${step}.${channel}`;
}

export function noticesName(store: Store): string {
  return store.queueName('notices');
}

export class Messages {
  readonly #queue: Queue<Message, MessageEnd>;

  constructor(store: Store, onError: (error: Error) => void) {
    this.#queue = new Queue<Message, MessageEnd>(
      noticesName(store),
      { ...store.options(), ...keepEvents(10) },
      store.backend,
    );
    this.#queue.on('error', onError);
  }

  /** Adds a message, unless it is there; the entries of its other steps follow it. Resolves to the one that is there. Errors: `network`, as of all below. */
  async add(message: Message): Promise<KnownMessage> {
    const [first, ...others] = message.steps;
    if (first === undefined) throw new Error('a message without a step');
    const { channel } = message;
    const id = messageId(first, channel);
    await this.#add(id, message);
    for (const step of others)
      await this.#add(messageId(step, channel), {
        ...{ channel, steps: [step], incidents: [], madeAt: message.madeAt, carriedBy: id },
      });
    return (await this.find(id)) ?? { id, message, end: undefined };
  }

  async find(id: string): Promise<KnownMessage | undefined> {
    const entry = await answered(this.#queue.getJob(id));
    return entry === undefined ? undefined : viewOf(entry);
  }

  /** The message about a step to a channel, whichever step's entry has it. */
  async telling(step: Step, channel: string): Promise<KnownMessage | undefined> {
    const found = await this.find(messageId(step, channel));
    const by = found?.message.carriedBy;
    return by === undefined ? found : this.find(by);
  }

  /** The newest messages, newest first; those that go out with another one are not among them. */
  async newest(limit: number): Promise<KnownMessage[]> {
    const states = ['active', 'waiting', 'delayed', 'completed', 'failed'] as const;
    const entries = await answered(this.#queue.getJobs([...states], 0, limit - 1));
    return entries
      .flatMap((entry) => (entry === undefined ? [] : [viewOf(entry)]))
      .filter(({ message }) => message.carriedBy === undefined)
      .sort(
        (one, other) => other.message.madeAt - one.message.madeAt || (one.id < other.id ? 1 : -1),
      );
  }

  /** Sends a message that is dead once more; resolves to false for any other. */
  async again(id: string): Promise<boolean> {
    const entry = await answered(this.#queue.getJob(id));
    if (entry?.returnvalue?.result !== 'dead') return false;
    const { tries: _t, firstAt: _f, ...message } = entry.data;
    await answered(entry.updateData(message));
    await answered(entry.retry('completed'));
    return true;
  }

  close(): Promise<void> {
    return this.#queue.close();
  }

  async #add(id: string, message: Message): Promise<void> {
    await answered(
      this.#queue.add(
        'message',
        { v: payloadVersion, ...message },
        {
          jobId: id,
          attempts: unlimited,
          backoff: { type: 'fixed', delay: 10_000 },
          stackTraceLimit: 1,
          removeOnComplete: endedKept,
        },
      ),
    );
  }
}

function viewOf(entry: MessageEntry): KnownMessage {
  const end = entry.finishedOn === undefined ? undefined : (entry.returnvalue ?? undefined);
  return { id: entry.id as string, message: entry.data, end };
}
