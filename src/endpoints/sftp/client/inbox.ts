/**
 * Cuts the incoming byte stream into SFTP packets. Only the packet in progress is held, and file data
 * is copied once, from the chunk it arrived in to the caller's buffer.
 */
import { escapeText } from '../../../core/text.js';
import { largestPacketBytes, packet, Reader, violation } from './wire.js';

/** Length, type and id; VERSION has its version number where other packets have the id. */
const headerLength = 9;
/** DATA's own length is read with the header, so that its bytes can go straight to the caller's buffer. */
const dataHeaderLength = headerLength + 4;

export interface InboxHandlers {
  /** A whole packet other than DATA arrived; `reader` begins after the id and is valid only during the call. */
  readonly onPacket: (id: number, type: number, reader: Reader) => void;
  /** A DATA packet begins. Returns where its `length` bytes go; undefined discards them. */
  readonly onDataStart: (id: number, length: number) => Buffer | undefined;
  /** All bytes of a DATA packet have arrived. */
  readonly onDataEnd: (id: number, length: number) => void;
}

interface PartialPacket {
  readonly id: number;
  readonly length: number;
  at: number;
  readonly type: number;
  readonly bytes: Buffer;
}

interface PartialData {
  readonly id: number;
  readonly length: number;
  at: number;
  target: Buffer | undefined;
}

export class Inbox {
  readonly #handlers: InboxHandlers;
  readonly #head = Buffer.allocUnsafe(dataHeaderLength);
  #headLength = 0;
  #body: PartialPacket | undefined;
  #data: PartialData | undefined;
  #stopped = false;

  constructor(handlers: InboxHandlers) {
    this.#handlers = handlers;
  }

  /** Reads the next bytes; throws a hostile-peer error if they break the protocol. */
  feed(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length && !this.#stopped) {
      if (this.#data !== undefined) at = this.#feedData(this.#data, chunk, at);
      else if (this.#body !== undefined) at = this.#feedBody(this.#body, chunk, at);
      else at = this.#feedHeader(chunk, at);
    }
  }

  /** Discards the rest of a DATA packet that has begun: its target is not written to any more. */
  discard(id: number): void {
    if (this.#data?.id === id) this.#data.target = undefined;
  }

  /** Ignores all further bytes. */
  stop(): void {
    this.#stopped = true;
    this.#data = undefined;
    this.#body = undefined;
  }

  #feedHeader(chunk: Buffer, start: number): number {
    if (this.#headLength === 0 && chunk.length - start >= dataHeaderLength) {
      const isData = chunk[start + 4] === packet.DATA;
      return this.#begin(chunk, start, chunk, start + (isData ? dataHeaderLength : headerLength));
    }
    let at = start;
    const complete = () =>
      this.#headLength === dataHeaderLength ||
      (this.#headLength === headerLength && this.#head[4] !== packet.DATA);
    while (!complete()) {
      if (at === chunk.length) return at;
      this.#head[this.#headLength++] = chunk[at++] as number;
      if (this.#headLength === 4) checkLength(this.#head, 0);
    }
    this.#headLength = 0;
    return this.#begin(this.#head, 0, chunk, at);
  }

  /** Begins a packet whose header is in `head` and whose body starts at `at` in `chunk`. */
  #begin(head: Buffer, headAt: number, chunk: Buffer, at: number): number {
    const packetLength = checkLength(head, headAt);
    const type = head[headAt + 4] as number;
    const id = head.readUInt32BE(headAt + 5);
    if (type === packet.DATA) {
      const length = head.readUInt32BE(headAt + headerLength);
      if (packetLength !== length + 9) throw violation('a DATA packet whose two lengths disagree');
      this.#data = { id, length, at: 0, target: this.#handlers.onDataStart(id, length) };
      return at;
    }
    const length = packetLength - 5;
    if (chunk.length - at >= length) {
      this.#handlers.onPacket(id, type, new Reader(chunk, at, at + length));
      return at + length;
    }
    this.#body = { id, type, length, at: 0, bytes: Buffer.allocUnsafe(length) };
    return at;
  }

  #feedBody(body: PartialPacket, chunk: Buffer, at: number): number {
    const end = Math.min(chunk.length, at + body.length - body.at);
    chunk.copy(body.bytes, body.at, at, end);
    body.at += end - at;
    if (body.at === body.length) {
      this.#body = undefined;
      this.#handlers.onPacket(body.id, body.type, new Reader(body.bytes, 0, body.length));
    }
    return end;
  }

  #feedData(data: PartialData, chunk: Buffer, at: number): number {
    const end = Math.min(chunk.length, at + data.length - data.at);
    if (data.target !== undefined) chunk.copy(data.target, data.at, at, end);
    data.at += end - at;
    if (data.at === data.length) {
      this.#data = undefined;
      this.#handlers.onDataEnd(data.id, data.length);
    }
    return end;
  }
}

/** A packet's length; throws if no packet can have it. */
function checkLength(head: Buffer, at: number): number {
  const length = head.readUInt32BE(at);
  if (length >= headerLength - 4 && length <= largestPacketBytes) return length;
  const text = head.toString('latin1', at, at + 4);
  // output of a shell's start-up file arrives before the first packet, where it looks like a length
  throw /^[\t\r\n\x20-\x7e]{4}$/.test(text)
    ? violation(
        `text where a packet begins: "${escapeText(text)}…"`,
        "if the account's start-up files on the server (.bashrc) print something, let them do so only for terminals",
      )
    : violation(`a packet of ${length} bytes`);
}
