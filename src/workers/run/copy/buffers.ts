/** Buffers that are used again: a new one for each small file would cost more than reading it, and stay until the collector comes by. */

/** Least size that is made, bytes; sizes are powers of two. */
const least = 1024;
/** Bytes of free ones that are kept. */
const mostKept = 16 * 1024 * 1024;

export class Buffers {
  /** Free ones by size. */
  readonly #free = new Map<number, Buffer[]>();
  #kept = 0;

  /** A buffer of at least `bytes`; what it holds is anything. */
  take(bytes: number): Buffer {
    const size = 2 ** Math.ceil(Math.log2(Math.max(least, bytes)));
    const kept = this.#free.get(size)?.pop();
    if (kept === undefined) return Buffer.allocUnsafeSlow(size);
    this.#kept -= size;
    return kept;
  }

  /** Takes one back that came from `take`, and that nobody reads or writes any more. */
  give(buffer: Buffer): void {
    const size = buffer.length;
    if (this.#kept + size > mostKept) return;
    this.#kept += size;
    const free = this.#free.get(size);
    if (free === undefined) this.#free.set(size, [buffer]);
    else free.push(buffer);
  }
}
