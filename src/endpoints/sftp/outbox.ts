/**
 * What leaves: requests encoded in one turn of the event loop are joined into one write, so that
 * dozens of small ones share an SSH packet. Large data goes out from the caller's own buffer.
 */
import type { Writable } from 'node:stream';

const startSize = 8 * 1024;
const largestKept = 256 * 1024;

export class Outbox {
  /** The bytes being encoded; replaced as it grows, so read it anew after `reserve`. */
  buffer: Buffer = Buffer.allocUnsafe(startSize);
  readonly #stream: Writable;
  readonly #onSent: () => void;
  #length = 0;
  #full: Buffer[] = [];
  #scheduled = false;
  #closed = false;

  /** `onSent` is called each time the stream has taken a piece. */
  constructor(stream: Writable, onSent: () => void) {
    this.#stream = stream;
    this.#onSent = onSent;
  }

  /** Makes room for `length` bytes; returns where in `buffer` they start. */
  reserve(length: number): number {
    const at = this.#length;
    if (at + length > this.buffer.length) {
      const larger = Buffer.allocUnsafe(Math.max(this.buffer.length * 2, at + length));
      this.buffer.copy(larger, 0, 0, at);
      this.buffer = larger;
    }
    this.#length = at + length;
    if (!this.#scheduled) {
      this.#scheduled = true;
      setImmediate(() => this.#flush());
    }
    return at;
  }

  /** Puts `data` behind what was reserved so far, uncopied; it must stay as it is until sent. */
  append(data: Buffer): void {
    this.#full.push(this.buffer.subarray(0, this.#length), data);
    this.buffer = Buffer.allocUnsafe(startSize);
    this.#length = 0;
  }

  putString(at: number, bytes: Buffer): number {
    this.buffer.writeUInt32BE(bytes.length, at);
    bytes.copy(this.buffer, at + 4);
    return at + 4 + bytes.length;
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
    this.#full = [];
  }

  #flush(): void {
    this.#scheduled = false;
    if (this.#closed) return;
    for (const piece of this.#full) this.#stream.write(piece, this.#onSent);
    this.#full = [];
    if (this.#length === 0) return;
    this.#stream.write(this.buffer.subarray(0, this.#length), this.#onSent);
    this.buffer = Buffer.allocUnsafe(Math.min(Math.max(startSize, this.#length), largestKept));
    this.#length = 0;
  }
}
