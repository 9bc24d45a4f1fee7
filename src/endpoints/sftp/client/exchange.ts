/**
 * Questions and answers on one SFTP stream: which request waits, which answer is its own, and what
 * happens to all of them when the stream ends. Which requests there are is in protocol.ts, when
 * waiting has lasted too long in patience.ts.
 *
 * A peer that breaks the protocol ends the exchange with a hostile-peer error; nothing it sends
 * makes us hang, spin, or hold more than one packet. Silence is an error after `deadline` ms; an
 * answer that later ones overtake for that long, too. Bytes in either direction count as life, so
 * that a slow line is no silence.
 */
import { setMaxListeners } from 'node:events';
import type { Duplex } from 'node:stream';
import { asFerryError, FerryError } from '../../../core/errors.js';
import { escapeText } from '../../../core/text.js';
import { InFlight, type Numbered } from './in-flight.js';
import { Inbox } from './inbox.js';
import { Outbox } from './outbox.js';
import { answers, describeAnswer, readAnswer } from './replies.js';
import { Gate } from './request-gate.js';
import { encode, type Request } from './requests.js';
import { Patience, silence } from './silence.js';
import { describeStatus, statusError } from './status.js';
import { commandName, packet, type Reader, readExtensions, status, violation } from './wire.js';

/** A line for the transcript: what was asked, what was answered. */
type Trace = (kind: 'command' | 'response', text: string) => void;

export interface ChannelOptions {
  /** Milliseconds of silence, or of being overtaken, after which an operation has failed. */
  readonly deadline: number;
  /** Holds requests back that the server is not to have yet; channels of a session share one. Absent: one that holds none back until it finds that fewer are faster. */
  readonly gate?: Gate;
  readonly trace?: Trace | undefined;
}

interface Pending extends Numbered {
  /** The packet type asked with. */
  readonly type: number;
  /** The packet type of the right answer; undefined where that is STATUS. */
  readonly answer: number | undefined;
  readonly reply: ((reader: Reader) => unknown) | undefined;
  /** Where DATA goes. */
  readonly target: Buffer | undefined;
  readonly signal: AbortSignal | undefined;
  /** When it was asked, in `performance.now()`'s ms. */
  readonly since: number;
  /** File data with it or its answer. */
  bytes: number;
  /** Set once the caller has gone; the answer is then only cleaned up after. */
  abandoned: boolean;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

export class Exchange {
  /** Extensions the server offers, name to version; known once `version` has resolved. */
  extensions: ReadonlyMap<string, string> = new Map();
  /** Resolves once the server has said VERSION. Requests may be made before; they wait at the server. */
  readonly version: Promise<void>;
  /** Settles, never rejecting, with the reason when the exchange has ended. */
  readonly ended: Promise<FerryError>;

  readonly #stream: Duplex;
  readonly #options: ChannelOptions;
  readonly #gate: Gate;
  readonly #outbox: Outbox;
  readonly #inbox: Inbox;
  readonly #pending = new InFlight<Pending>();
  readonly #watched = new WeakSet<AbortSignal>();
  readonly #patience: Patience;
  readonly #clock: NodeJS.Timeout;
  readonly #begun = performance.now();
  #versionKnown = false;
  #onVersion: (error?: FerryError) => void = () => {};
  #onEnd: (error: FerryError) => void = () => {};
  #failure: FerryError | undefined;
  #roundTrip = Number.POSITIVE_INFINITY;
  #held = 0;
  #asked = 0;
  #newestAnswered = 0;

  constructor(stream: Duplex, options: ChannelOptions) {
    this.#stream = stream;
    this.#options = options;
    this.#gate = options.gate ?? new Gate();
    this.ended = new Promise((resolve) => {
      this.#onEnd = resolve;
    });
    this.version = new Promise((resolve, reject) => {
      this.#onVersion = (error) => (error ? reject(error) : resolve());
    });
    this.version.catch(() => {}); // whoever asks hears of it; nobody has to
    this.#patience = new Patience(options.deadline);
    this.#outbox = new Outbox(stream, () => this.#patience.renew());
    this.#inbox = new Inbox({
      onPacket: (id, type, reader) => this.#take(id, type, reader),
      onDataStart: (id, length) => this.#startData(id, length),
      onDataEnd: (id, length) => this.#endData(id, length),
    });
    stream.on('data', (chunk: Buffer) => {
      this.#patience.renew();
      try {
        this.#inbox.feed(chunk);
      } catch (error) {
        this.fail(asFerryError(error));
      }
    });
    const lost = (cause?: Error) =>
      this.fail(
        new FerryError('network', 'the server closed the SFTP channel', {
          code: 'ECONNLOST',
          hint: 'run it again; what was done stays done',
          cause,
        }),
      );
    for (const event of ['end', 'close']) stream.on(event, () => lost());
    stream.on('error', lost);
    this.#clock = setInterval(() => this.#tick(), this.#patience.interval);
    this.#clock.unref();
    if (stream.destroyed || stream.readableEnded) lost();
    else this.#sendInit();
  }

  /** Requests waiting for an answer, or to be sent. */
  get inFlight(): number {
    return this.#pending.size + this.#held;
  }

  /** Why the exchange has ended, if it has. */
  get failure(): FerryError | undefined {
    return this.#failure;
  }

  /**
   * Milliseconds from a question to its answer: the fewest so far, since what else a question waits
   * for, at the server or in a busy process here, only adds to it. Infinity before VERSION.
   */
  get roundTrip(): number {
    return this.#roundTrip;
  }

  /** Sends a request; settles with its answer. Rejects at once when the exchange has ended or the signal has fired. */
  ask(request: Request): Promise<unknown> {
    return new Promise((resolve, reject) => this.#send(request, resolve, reject));
  }

  /**
   * Sends requests in one go; resolves once each is answered, to the answers in order, in which a
   * refusal is its error. Rejects as soon as a request's signal has fired.
   */
  askAll(requests: readonly Request[]): Promise<readonly unknown[]> {
    return new Promise((resolve, reject) => {
      const answers: unknown[] = new Array(requests.length);
      let left = requests.length;
      for (const [i, request] of requests.entries()) {
        const answered = (answer: unknown) => {
          answers[i] = answer;
          if (--left === 0) resolve(answers);
        };
        this.#send(request, answered, (error) =>
          request.signal?.aborted ? reject(error) : answered(error),
        );
      }
    });
  }

  #send(
    request: Request,
    resolve: (answer: unknown) => void,
    reject: (error: unknown) => void,
  ): void {
    const { type, signal } = request;
    if (!this.#gate.isFull || this.#isOver(request)) {
      this.#sendNow(request, resolve, reject);
      return;
    }
    if (signal !== undefined) this.#watch(signal);
    this.#held++;
    this.#gate.hold({
      opens: type === packet.OPEN || type === packet.OPENDIR,
      isOver: () => this.#isOver(request),
      go: () => {
        this.#held--;
        this.#sendNow(request, resolve, reject);
      },
    });
  }

  /** Whether it can't be sent any more. */
  #isOver({ signal }: Request): boolean {
    return this.#failure !== undefined || signal?.aborted === true;
  }

  #sendNow(
    request: Request,
    resolve: (answer: unknown) => void,
    reject: (error: unknown) => void,
  ): void {
    const { type, signal, trailing } = request;
    if (this.#isOver(request)) {
      reject(this.#failure ?? signal?.reason);
      return;
    }
    if (signal !== undefined) this.#watch(signal);
    const order = ++this.#asked;
    const id = order >>> 0;
    if (request.describe !== undefined)
      this.#options.trace?.('command', `${id} ${escapeText(request.describe())}`);
    try {
      encode(this.#outbox, id, request);
    } catch (error) {
      this.fail(asFerryError(error)); // with half a request in it the outbox must never be sent
      reject(this.#failure);
      return;
    }
    this.#pending.add({
      id,
      order,
      type,
      answer: request.reply === undefined ? answers[type] : packet.EXTENDED_REPLY,
      reply: request.reply,
      target: request.target,
      signal,
      since: performance.now(),
      bytes: trailing?.length ?? 0,
      abandoned: false,
      resolve,
      reject,
    });
    this.#gate.sent();
  }

  /** Ends the exchange; everything waiting is rejected with `error`. */
  fail(error: FerryError): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    clearInterval(this.#clock);
    this.#outbox.close();
    this.#inbox.stop();
    const waiting = this.#pending.all();
    this.#pending.clear();
    this.#gate.dismiss();
    this.#gate.lost(waiting.length);
    this.#onVersion(error);
    for (const pending of waiting) if (!pending.abandoned) pending.reject(error);
    this.#stream.destroy();
    this.#onEnd(error);
  }

  #sendInit(): void {
    this.#options.trace?.('command', 'INIT version 3');
    this.#stream.write(Buffer.from([0, 0, 0, 5, packet.INIT, 0, 0, 0, 3]));
  }

  // ---- answers ----

  /** The request an answer belongs to, if it may be answered so. */
  #answered(id: number, type: number): Pending {
    if (!this.#versionKnown) throw violation(`${commandName(type)} before VERSION`);
    const pending = this.#pending.get(id);
    if (pending === undefined) throw violation(`an answer to request ${id}, which was not made`);
    if (type !== packet.STATUS && pending.answer !== type)
      throw violation(`${commandName(pending.type)} answered with ${commandName(type)}`);
    return pending;
  }

  #settle(pending: Pending): void {
    this.#pending.remove(pending);
    this.#newestAnswered = Math.max(this.#newestAnswered, pending.order);
    const now = this.#timed(pending.since);
    this.#gate.answered(pending.since, now, pending.bytes, this.#roundTrip);
  }

  /** A question asked then was answered now. */
  #timed(since: number): number {
    const now = performance.now();
    this.#roundTrip = Math.min(this.#roundTrip, now - since);
    return now;
  }

  #startData(id: number, length: number): Buffer | undefined {
    const pending = this.#answered(id, packet.DATA);
    const asked = pending.target?.length ?? 0;
    if (length === 0) throw violation('a READ answered with no data and no end of file');
    if (length > asked) throw violation(`a READ of ${asked} bytes answered with ${length}`);
    return pending.abandoned ? undefined : pending.target;
  }

  #endData(id: number, length: number): void {
    const pending = this.#answered(id, packet.DATA);
    this.#options.trace?.('response', `${id} DATA ${length} bytes`);
    pending.bytes = length;
    this.#settle(pending);
    pending.resolve(length);
  }

  #take(id: number, type: number, reader: Reader): void {
    if (type === packet.VERSION) {
      this.#takeVersion(id, reader);
      return;
    }
    const pending = this.#answered(id, type);
    if (type === packet.STATUS) {
      this.#takeStatus(pending, reader);
      return;
    }
    const value = pending.reply ? pending.reply(reader) : readAnswer(pending.type, reader);
    reader.end();
    this.#options.trace?.('response', `${id} ${describeAnswer(type, value)}`);
    this.#settle(pending);
    if (pending.abandoned) {
      if (type === packet.HANDLE) this.#closeOrphan(value as Buffer);
    } else if (value instanceof FerryError) pending.reject(value);
    else pending.resolve(value);
  }

  #takeVersion(version: number, reader: Reader): void {
    if (version !== 3) throw violation(`it speaks SFTP version ${version}, not 3`);
    if (this.#versionKnown) throw violation('VERSION came twice');
    this.#versionKnown = true;
    this.#timed(this.#begun);
    this.extensions = readExtensions(reader);
    this.#options.trace?.(
      'response',
      `VERSION 3 ${escapeText([...this.extensions.keys()].join(' '))}`,
    );
    this.#onVersion();
  }

  #takeStatus(pending: Pending, reader: Reader): void {
    const code = reader.u32();
    // message and language came with version 3; some servers still leave them out
    const message = reader.left > 0 ? reader.text() : '';
    if (reader.left > 0) reader.skipString();
    reader.end();
    // checked before it is settled: what a violation finds unsettled is rejected with it
    if (code === status.OK && pending.answer !== undefined)
      throw violation(`${commandName(pending.type)} answered with a bare OK`);
    this.#options.trace?.('response', `${pending.id} ${describeStatus(code, message)}`);
    this.#settle(pending);
    if (code === status.OK) pending.resolve(undefined);
    else if (code === status.EOF && pending.type === packet.READ) pending.resolve(0);
    else if (code === status.EOF && pending.type === packet.READDIR) pending.resolve(undefined);
    else pending.reject(statusError(code, message));
  }

  /** A handle whose asker has gone would stay open at the server. */
  #closeOrphan(handle: Buffer): void {
    this.ask({
      type: packet.CLOSE,
      length: 4 + handle.length,
      encode: (out, at) => out.putString(at, handle),
      describe: () => 'CLOSE',
    }).catch(() => {});
  }

  // ---- ends ----

  /** One listener a signal, however many requests carry it. */
  #watch(signal: AbortSignal): void {
    if (this.#watched.has(signal)) return;
    this.#watched.add(signal);
    setMaxListeners(0, signal); // a run's signal has a listener for each channel, which is no leak
    const abandon = () => {
      for (const pending of this.#pending.all()) {
        if (pending.signal !== signal || pending.abandoned) continue;
        pending.abandoned = true;
        this.#inbox.discard(pending.id);
        pending.reject(signal.reason);
      }
      this.#gate.dismiss();
    };
    signal.addEventListener('abort', abandon, { once: true });
  }

  #tick(): void {
    const oldest = this.#pending.oldest();
    if (oldest === undefined && this.#versionKnown) return;
    const order = oldest?.order ?? 0;
    if (!this.#patience.tick(order, this.#newestAnswered > order)) return;
    const what = this.#versionKnown && oldest ? commandName(oldest.type) : 'INIT';
    this.fail(silence(what, this.#options.deadline));
  }
}
