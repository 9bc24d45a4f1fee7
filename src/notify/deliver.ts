/**
 * Delivers messages: takes them from `ferryline-notices` and hands them to their channels, again and again
 * for a day. A process that dies between an answer and its record sends the message once more, under the
 * same id: whoever receives it can tell.
 */
import type { Incident } from '../core/incident.js';
import type { Channel } from '../core/notify.js';
import { isFromNewer, leftToNewerMs } from '../core/payload.js';
import { SlotConsumer } from '../queue/slot-consumer.js';
import type { Store } from '../queue/store/store.js';
import { genericBody, ntfyBody, slackBody } from './formats.js';
import { inShort } from './keeper.js';
import { type Message, type MessageEnd, type MessageEntry, noticesName } from './messages.js';
import { type Notice, noticeOf, testNotice, type Wording } from './notice.js';
import { NotDelivered, post } from './post.js';

export interface DeliveryParts {
  readonly store: Store;
  readonly channels: () => ReadonlyMap<string, Channel>;
  readonly wording: () => Wording;
  /** Incidents as they are now, for a message that is late. Errors: `network`. */
  readonly incidents: (ids: readonly string[]) => Promise<readonly Incident[]>;
  /** A message has arrived, or never will. */
  readonly onEnd: (id: string, message: Message, end: MessageEnd) => void;
  readonly onError: (error: Error) => void;
  /** For tests. */
  readonly patience?: Patience;
}

export interface Patience {
  /** Milliseconds until the second attempt; it doubles up to `longest`. */
  readonly first: number;
  readonly longest: number;
  /** Milliseconds for all of them. */
  readonly inAll: number;
  /** Milliseconds for one. */
  readonly deadline: number;
}

const usual: Patience = {
  first: 10_000,
  longest: 3_600_000,
  inAll: 24 * 3_600_000,
  deadline: 10_000,
};

/** The step of a message that only tries a channel. */
export const testStep = 'test';

export class Delivery {
  readonly #parts: DeliveryParts;
  readonly #consumer: SlotConsumer<Message, MessageEnd>;

  constructor(parts: DeliveryParts) {
    this.#parts = parts;
    const { store, onError } = parts;
    this.#consumer = new SlotConsumer<Message, MessageEnd>(store, noticesName(store), {
      decide: (message, entry) => this.#deliver(message, entry),
      onError,
    });
  }

  /** A message may be there. */
  look(): void {
    this.#consumer.look();
  }

  close(): Promise<void> {
    return this.#consumer.close();
  }

  async #deliver(message: Message, entry: MessageEntry): Promise<MessageEnd | number> {
    if (isFromNewer(message)) return leftToNewerMs;
    if (message.carriedBy !== undefined) return { result: 'carried', at: Date.now() };
    const id = entry.id as string;
    const { channels, patience = usual } = this.#parts;
    const channel = channels().get(message.channel);
    const now = Date.now();
    const end = (result: 'sent' | 'dead', rest: Omit<MessageEnd, 'result' | 'at'>): MessageEnd => {
      const found = { result, at: Date.now(), ...rest };
      this.#parts.onEnd(id, message, found);
      return found;
    };
    if (channel === undefined)
      return end('dead', { why: 'jobs.yml has no channel of this name any more' });
    const { tries = 0, firstAt = now } = message;
    const told = tries === 0 ? message : await this.#asItIs(message);
    try {
      await this.#send(channel, id, told, patience.deadline);
      const recovered = told.incidents
        .filter((one) => one.closedAt !== undefined)
        .map((one) => one.id);
      return end('sent', recovered.length > 0 ? { recovered } : {});
    } catch (thrown) {
      if (!(thrown instanceof NotDelivered)) throw thrown;
      const why = this.#parts.wording().redact(thrown.message);
      const backoff = Math.min(patience.first * 2 ** tries, patience.longest);
      const wait = Math.max(thrown.afterMs ?? 0, backoff);
      if (!thrown.again) return end('dead', { why });
      if (now + wait > firstAt + patience.inAll)
        return end('dead', { why: `${why}; it was tried ${tries + 1} times` });
      await entry.updateData({ ...message, tries: tries + 1, firstAt, lastError: why });
      return wait;
    }
  }

  /** A late message says what has become of its incidents since. */
  async #asItIs(message: Message): Promise<Message> {
    const now = new Map(
      (await this.#parts.incidents(message.incidents.map(({ id }) => id))).map((one) => [
        one.id,
        one,
      ]),
    );
    const incidents = message.incidents.map((one) => inShort(now.get(one.id) ?? one));
    return { ...message, incidents };
  }

  async #send(channel: Channel, id: string, message: Message, deadline: number): Promise<void> {
    const { target } = channel;
    const notice = this.#noticeOf(message);
    if (target.kind === 'email') {
      const { sendMail } = await import('./email.js');
      await sendMail(target, { id, notice, replyTo: message.replyTo }, deadline);
    } else if (target.kind === 'webhook') {
      const { format, secret, url } = target;
      const posted =
        format === 'slack'
          ? slackBody(notice)
          : format === 'ntfy'
            ? ntfyBody(notice)
            : genericBody({ id, message, notice, now: Date.now(), secret });
      await post(url, { ...posted, deadline });
    } else throw new NotDelivered('a check of Healthchecks takes no messages', false);
  }

  #noticeOf(message: Message): Notice {
    const [first] = message.steps;
    return first?.step === testStep
      ? testNotice(message.channel, message.by ?? 'cli')
      : noticeOf(message, this.#parts.wording());
  }
}
