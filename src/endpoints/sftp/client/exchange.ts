/**
 * Requests and answers on one SFTP stream: which requests wait, which answer belongs to which, and
 * what happens to all of them when the stream ends. The requests themselves are in channel.ts and
 * requests.ts, the measure of silence in silence.ts.
 *
 * A peer that breaks the protocol ends the exchange with a hostile-peer error; nothing it sends can
 * make the client hang, spin, or hold more than one packet. Silence for `deadline` ms is an error, and
 * so is a request that answers to later ones overtake for as long. Bytes in either direction end a
 * silence, so that a slow line is not an error.
 */
import { setMaxListeners } from 'node:events';
import type { Duplex } from 'node:stream';
import { asFerryError, FerryError } from '../../../core/errors.js';
import { escapeText } from '../../../core/text.js';
import { type Asker, One, Several } from './askers.js';
import { InFlight, type NumberedRequest } from './in-flight.js';
import { Inbox } from './inbox.js';
import { Outbox } from './outbox.js';
import { describeReply, readReply, replyTypes } from './replies.js';
import { RequestGate } from './request-gate.js';
import { encode, type SftpRequest } from './requests.js';
import { SilenceClock, silenceError } from './silence.js';
import { describeStatus, statusError } from './status.js';
import { commandName, packet, type Reader, readExtensions, status, violation } from './wire.js';

/** Takes one request or answer as a line of the transcript. */
type Trace = (kind: 'command' | 'response', text: string) => void;

export interface ChannelOptions {
  /** Milliseconds of silence, or of being overtaken, after which the exchange fails. */
  readonly deadline: number;
  /** Limits the requests at the server; the channels of a session share one. Default: a gate of its own. */
  readonly gate?: RequestGate;
  readonly trace?: Trace | undefined;
}

interface PendingRequest extends NumberedRequest {
  readonly request: SftpRequest;
  readonly asker: Asker;
  readonly place: number;
  /** The packet type of the reply; undefined where it is STATUS. */
  readonly replyType: number | undefined;
  /** When it was sent, ms of `performance.now()`. */
  readonly since: number;
  /** Bytes of file data in the request or its answer. */
  bytes: number;
  /** Set when the signal has ended the caller's wait; a handle that still arrives is then closed. */
  abandoned: boolean;
}

export class Exchange {
  /** Extensions that the server offers, name to version; empty until `version` has resolved. */
  extensions: ReadonlyMap<string, string> = new Map();
  /** Resolves once the server has sent VERSION. Requests may be made before; they wait at the server. */
  readonly version: Promise<void>;
  /** Resolves with the reason once the exchange has ended; never rejects. */
  readonly ended: Promise<FerryError>;

  readonly #stream: Duplex;
  readonly #options: ChannelOptions;
  readonly #gate: RequestGate;
  readonly #outbox: Outbox;
  readonly #inbox: Inbox;
  readonly #pending = new InFlight<PendingRequest>();
  readonly #watched = new WeakSet<AbortSignal>();
  readonly #silence: SilenceClock;
  readonly #ticking: NodeJS.Timeout;
  readonly #begun = performance.now();
  #versionKnown = false;
  #onVersion: (error?: FerryError) => void = () => {};
  #onEnd: (error: FerryError) => void = () => {};
  #failure: FerryError | undefined;
  #roundTrip = Number.POSITIVE_INFINITY;
  #held = 0;
  #sent = 0;
  #newestAnswered = 0;

  constructor(stream: Duplex, options: ChannelOptions) {
    this.#stream = stream;
    this.#options = options;
    this.#gate = options.gate ?? new RequestGate();
    this.ended = new Promise((resolve) => {
      this.#onEnd = resolve;
    });
    this.version = new Promise((resolve, reject) => {
      this.#onVersion = (error) => (error ? reject(error) : resolve());
    });
    this.version.catch(() => {}); // rejections are handled by the awaiting caller, if there is one
    this.#silence = new SilenceClock(options.deadline);
    this.#outbox = new Outbox(stream, () => this.#silence.reset());
    this.#inbox = new Inbox({
      onPacket: (id, type, reader) => this.#take(id, type, reader),
      onDataStart: (id, length) => this.#startData(id, length),
      onDataEnd: (id, length) => this.#endData(id, length),
    });
    stream.on('data', (chunk: Buffer) => {
      this.#silence.reset();
      try {
        this.#inbox.feed(chunk);
      } catch (error) {
        this.fail(asFerryError(error));
      }
    });
    const lost = (cause?: Error) =>
      this.fail(
        // a transport's own reason says more
        cause instanceof FerryError
          ? cause
          : new FerryError('network', 'the server closed the SFTP channel', {
              code: 'ECONNLOST',
              hint: 'run it again; what was done stays done',
              cause,
            }),
      );
    for (const event of ['end', 'close']) stream.on(event, () => lost());
    stream.on('error', lost);
    this.#ticking = setInterval(() => this.#tick(), this.#silence.intervalMs);
    this.#ticking.unref();
    if (stream.destroyed || stream.readableEnded) lost();
    else this.#sendInit();
  }

  /** Requests waiting for an answer or to be sent. */
  get inFlight(): number {
    return this.#pending.size + this.#held;
  }

  /** Why the exchange has ended, if it has. */
  get failure(): FerryError | undefined {
    return this.#failure;
  }

  /**
   * The shortest time from a request to its answer so far, milliseconds: any other wait, at the
   * server or in this process, only adds to the line's own time. Infinity before VERSION.
   */
  get roundTrip(): number {
    return this.#roundTrip;
  }

  /** Sends a request; settles with its answer. Rejects at once if the exchange has ended or the signal is aborted. */
  ask(request: SftpRequest): Promise<unknown> {
    return new Promise((resolve, reject) => this.#send(request, new One(resolve, reject), 0));
  }

  /**
   * Sends requests together; resolves to their answers in the same order once all have arrived, a
   * refusal being its error. Rejects as soon as a request's signal is aborted.
   */
  askAll(requests: readonly SftpRequest[]): Promise<readonly unknown[]> {
    return new Promise((resolve, reject) => {
      const asker = new Several(requests, resolve, reject);
      let place = 0;
      for (const request of requests) this.#send(request, asker, place++);
    });
  }

  #send(request: SftpRequest, asker: Asker, place: number): void {
    const { type, signal } = request;
    if (!this.#gate.isFull || this.#isOver(request)) {
      this.#sendNow(request, asker, place);
      return;
    }
    if (signal !== undefined) this.#watch(signal);
    this.#held++;
    this.#gate.hold({
      opens: type === packet.OPEN || type === packet.OPENDIR,
      isOver: () => this.#isOver(request),
      go: () => {
        this.#held--;
        this.#sendNow(request, asker, place);
      },
    });
  }

  /** Whether a request will not be sent any more. */
  #isOver({ signal }: SftpRequest): boolean {
    return this.#failure !== undefined || signal?.aborted === true;
  }

  #sendNow(request: SftpRequest, asker: Asker, place: number): void {
    const { type, signal, trailing } = request;
    if (this.#isOver(request)) {
      asker.failed(this.#failure ?? signal?.reason, place);
      return;
    }
    if (signal !== undefined) this.#watch(signal);
    const order = ++this.#sent;
    const id = order >>> 0;
    if (this.#options.trace !== undefined && request.describe !== undefined)
      this.#options.trace('command', `${id} ${escapeText(request.describe())}`);
    try {
      encode(this.#outbox, id, request);
    } catch (error) {
      this.fail(asFerryError(error)); // half a request may be in the outbox, which must not be sent
      asker.failed(this.#failure, place);
      return;
    }
    this.#pending.add({
      id,
      order,
      request,
      asker,
      place,
      replyType: request.reply === undefined ? replyTypes[type] : packet.EXTENDED_REPLY,
      since: performance.now(),
      bytes: trailing?.length ?? 0,
      abandoned: false,
    });
    this.#gate.sent();
  }

  /** Ends the exchange; all waiting requests are rejected with `error`. */
  fail(error: FerryError): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    clearInterval(this.#ticking);
    this.#outbox.close();
    this.#inbox.stop();
    const waiting = this.#pending.all();
    this.#pending.clear();
    this.#gate.dismiss();
    this.#gate.lost(waiting.length);
    this.#onVersion(error);
    for (const { abandoned, asker, place } of waiting) if (!abandoned) asker.failed(error, place);
    this.#stream.destroy();
    this.#onEnd(error);
  }

  #sendInit(): void {
    this.#options.trace?.('command', 'INIT version 3');
    this.#stream.write(Buffer.from([0, 0, 0, 5, packet.INIT, 0, 0, 0, 3]));
  }

  // ---- answers ----

  /** The request with this id; throws if a packet of this type cannot answer it. */
  #answered(id: number, type: number): PendingRequest {
    if (!this.#versionKnown) throw violation(`${commandName(type)} before VERSION`);
    const pending = this.#pending.get(id);
    if (pending === undefined) throw violation(`an answer to request ${id}, which nobody made`);
    if (type !== packet.STATUS && pending.replyType !== type)
      throw violation(`${commandName(pending.request.type)} answered with ${commandName(type)}`);
    return pending;
  }

  #settle(pending: PendingRequest): void {
    this.#pending.remove(pending);
    this.#newestAnswered = Math.max(this.#newestAnswered, pending.order);
    const now = this.#timed(pending.since);
    this.#gate.answered(pending.since, now, pending.bytes, this.#roundTrip);
  }

  /** Measures the round trip of a request sent at `since`; returns the time now. */
  #timed(since: number): number {
    const now = performance.now();
    this.#roundTrip = Math.min(this.#roundTrip, now - since);
    return now;
  }

  #startData(id: number, length: number): Buffer | undefined {
    const pending = this.#answered(id, packet.DATA);
    const { target } = pending.request;
    const wanted = target?.length ?? 0;
    if (length === 0) throw violation('a READ answered with no data and no end of file');
    if (length > wanted) throw violation(`a READ of ${wanted} bytes answered with ${length}`);
    return pending.abandoned ? undefined : target;
  }

  #endData(id: number, length: number): void {
    const pending = this.#answered(id, packet.DATA);
    this.#options.trace?.('response', `${id} DATA ${length} bytes`);
    pending.bytes = length;
    this.#settle(pending);
    if (!pending.abandoned) pending.asker.answered(length, pending.place);
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
    const { reply, type: asked } = pending.request;
    const value = reply === undefined ? readReply(asked, reader) : reply(reader);
    reader.end();
    this.#options.trace?.('response', `${id} ${describeReply(type, value)}`);
    this.#settle(pending);
    if (pending.abandoned) {
      if (type === packet.HANDLE) this.#closeOrphan(value as Buffer);
    } else if (value instanceof FerryError) pending.asker.failed(value, pending.place);
    else pending.asker.answered(value, pending.place);
  }

  #takeVersion(version: number, reader: Reader): void {
    if (version !== 3) throw violation(`it answered with SFTP version ${version}, not 3`);
    if (this.#versionKnown) throw violation('it sent VERSION twice');
    this.#versionKnown = true;
    this.#timed(this.#begun);
    this.extensions = readExtensions(reader);
    this.#options.trace?.(
      'response',
      `VERSION 3 ${escapeText([...this.extensions.keys()].join(' '))}`,
    );
    this.#onVersion();
  }

  #takeStatus(pending: PendingRequest, reader: Reader): void {
    const { type } = pending.request;
    const code = reader.u32();
    const isOk = code === status.OK;
    // version 3 added message and language; some servers leave them out
    let message = '';
    if (isOk && reader.left > 0 && this.#options.trace === undefined) reader.skipString();
    else if (reader.left > 0) message = reader.text();
    if (reader.left > 0) reader.skipString();
    reader.end();
    // checked before it is settled: a violation rejects only requests that are still pending
    if (isOk && pending.replyType !== undefined)
      throw violation(`${commandName(type)} answered with a bare OK`);
    this.#options.trace?.('response', `${pending.id} ${describeStatus(code, message)}`);
    this.#settle(pending);
    const { abandoned, asker, place } = pending;
    if (abandoned) return;
    if (isOk) asker.answered(undefined, place);
    else if (code === status.EOF && type === packet.READ) asker.answered(0, place);
    else if (code === status.EOF && type === packet.READDIR) asker.answered(undefined, place);
    else asker.failed(statusError(code, message, commandName(type)), place);
  }

  /** Closes a handle that nobody waits for any more; it would stay open at the server. */
  #closeOrphan(handle: Buffer): void {
    this.ask({
      type: packet.CLOSE,
      length: 4 + handle.length,
      encode: (out, at) => out.putString(at, handle),
      describe: () => 'CLOSE',
    }).catch(() => {});
  }

  // ---- ends ----

  /** Rejects a signal's requests once it is aborted; one listener a signal, however many requests carry it. */
  #watch(signal: AbortSignal): void {
    if (this.#watched.has(signal)) return;
    this.#watched.add(signal);
    setMaxListeners(0, signal); // a run's signal has one listener for each channel, which is no leak
    const abandon = () => {
      for (const pending of this.#pending.all()) {
        if (pending.request.signal !== signal || pending.abandoned) continue;
        pending.abandoned = true;
        this.#inbox.discard(pending.id);
        pending.asker.failed(signal.reason, pending.place);
      }
      this.#gate.dismiss();
    };
    signal.addEventListener('abort', abandon, { once: true });
  }

  #tick(): void {
    const oldest = this.#pending.oldest();
    if (oldest === undefined && this.#versionKnown) return;
    const order = oldest?.order ?? 0;
    if (!this.#silence.tick(order, this.#newestAnswered > order)) return;
    const what = this.#versionKnown && oldest ? commandName(oldest.request.type) : 'INIT';
    this.fail(silenceError(what, this.#options.deadline));
  }
}
