/**
 * What leaves: requests encoded in one turn of the event loop are joined into one write, so that
 * dozens of small ones share an SSH packet. Large data goes out from the caller's own buffer.
 */
import type { Writable } from 'node:stream';

/** Output that leaves before the turn is over, so that the server works beside us. */
const enough = 64 * 1024;
/** A buffer takes that much and one more request with its data. */
const bufferSize = enough + 40 * 1024;
/** Buffers kept for the next turns. */
const mostSpare = 8;

export class Outbox {
  /** The bytes being encoded; may be another one after `reserve`. */
  buffer: Buffer = Buffer.allocUnsafeSlow(bufferSize);
  readonly #stream: Writable;
  readonly #onSent: () => void;
  /** What of `buffer` is encoded, and what of that waits in `#pieces` already. */
  #length = 0;
  #pieced = 0;
  /** What waits to leave, in order. */
  #pieces: Buffer[] = [];
  #waiting = 0;
  readonly #spare: Buffer[] = [];
  #scheduled = false;
  #closed = false;

  /** `onSent` is called each time the stream has taken a piece. */
  constructor(stream: Writable, onSent: () => void) {
    this.#stream = stream;
    this.#onSent = onSent;
  }

  /** Makes room for `length` bytes; returns where in `buffer` they start. */
  reserve(length: number): number {
    if (this.#waiting + this.#length - this.#pieced >= enough) this.#flush();
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

  /** Puts `data` behind what was reserved so far, uncopied; it must stay as it is until sent. */
  append(data: Buffer): void {
    this.#cut();
    this.#pieces.push(data);
    this.#waiting += data.length;
  }

  /** A string of the protocol (§5 of RFC 4251): its length and its bytes; text as UTF-8. */
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

  /** Moves what was encoded since the last piece behind the pieces. */
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
    this.buffer = this.#spare.pop() ?? Buffer.allocUnsafeSlow(bufferSize);
    // the stream takes pieces in order: with the last of them it is done with the buffer, too
    const last = pieces.length - 1;
    const done = () => {
      this.#onSent();
      if (buffer.length === bufferSize && this.#spare.length < mostSpare) this.#spare.push(buffer);
    };
    for (const [i, piece] of pieces.entries())
      this.#stream.write(piece, i === last ? done : this.#onSent);
  }
}
