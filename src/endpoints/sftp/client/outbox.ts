/**
 * Sends requests: those encoded in one turn of the event loop are joined into one write, so that
 * dozens of small ones share an SSH packet. Large data is sent from the caller's own buffer.
 */
import type { Writable } from 'node:stream';

/** With this much output waiting, it is sent before the turn ends, so that the server can begin to work. */
const flushAtBytes = 64 * 1024;
/** Room for that much output and one more request with its data. */
const bufferBytes = flushAtBytes + 40 * 1024;
/** At most this many buffers are kept for later turns. */
const mostSpareBuffers = 8;

export class Outbox {
  /** Where requests are encoded; `reserve` may replace it. */
  buffer: Buffer = Buffer.allocUnsafeSlow(bufferBytes);
  readonly #stream: Writable;
  readonly #onSent: () => void;
  /** Bytes of `buffer` that are reserved, and how many of them are in `#pieces` already. */
  #length = 0;
  #pieced = 0;
  /** Waiting to be sent, in order, and how many bytes that is. */
  #pieces: Buffer[] = [];
  #waiting = 0;
  readonly #spare: Buffer[] = [];
  #scheduled = false;
  #closed = false;

  /** `onSent` is called each time the stream has written a piece. */
  constructor(stream: Writable, onSent: () => void) {
    this.#stream = stream;
    this.#onSent = onSent;
  }

  /** Reserves `length` bytes; returns where in `buffer` they start. */
  reserve(length: number): number {
    if (this.#waiting + this.#length - this.#pieced >= flushAtBytes) this.#flush();
    if (this.#length + length > this.buffer.length) {
      this.#flush();
      if (length > this.buffer.length) this.buffer = Buffer.allocUnsafeSlow(length);
    }
    const at = this.#length;
    this.#length = at + length;
    if (!this.#scheduled) {
      this.#scheduled = true;
      setImmediate(() => {
        this.#scheduled = false;
        this.#flush();
      });
    }
    return at;
  }

  /** Appends `data` after the bytes reserved so far, without copying it; it must not change until it is sent. */
  append(data: Buffer): void {
    this.#cut();
    this.#pieces.push(data);
    this.#waiting += data.length;
  }

  /** Writes a string (RFC 4251 §5): its length and its bytes, text as UTF-8. Returns the offset after it, as the other puts do. */
  putString(at: number, string: Buffer | string): number {
    const length =
      typeof string === 'string'
        ? this.buffer.write(string, at + 4)
        : string.copy(this.buffer, at + 4);
    this.buffer.writeUInt32BE(length, at);
    return at + 4 + length;
  }

  putU64(at: number, value: number): number {
    this.buffer.writeUInt32BE(Math.floor(value / 0x1_0000_0000), at);
    return this.buffer.writeUInt32BE(value % 0x1_0000_0000, at + 4);
  }

  putU32(at: number, value: number): number {
    return this.buffer.writeUInt32BE(value, at);
  }

  close(): void {
    this.#closed = true;
    this.#pieces = [];
  }

  /** Appends what was encoded since the last piece to the pieces. */
  #cut(): void {
    if (this.#length === this.#pieced) return;
    this.#pieces.push(this.buffer.subarray(this.#pieced, this.#length));
    this.#waiting += this.#length - this.#pieced;
    this.#pieced = this.#length;
  }

  #flush(): void {
    if (this.#closed) return;
    this.#cut();
    const pieces = this.#pieces;
    if (pieces.length === 0) return;
    const { buffer } = this;
    this.#pieces = [];
    this.#waiting = 0;
    this.#length = 0;
    this.#pieced = 0;
    this.buffer = this.#spare.pop() ?? Buffer.allocUnsafeSlow(bufferBytes);
    // the stream writes pieces in order: after the last one the buffer is free again
    const last = pieces.length - 1;
    const done = () => {
      this.#onSent();
      if (buffer.length === bufferBytes && this.#spare.length < mostSpareBuffers)
        this.#spare.push(buffer);
    };
    for (const [i, piece] of pieces.entries())
      this.#stream.write(piece, i === last ? done : this.#onSent);
  }
}
