/** Reuses buffers: a new one for each small file would cost more than reading it, and stay allocated until the next garbage collection. */

/** Size of the smallest buffer, bytes; sizes are powers of two. */
const smallestBytes = 1024;
/** Bytes of free buffers that are kept; further ones are left to the garbage collector. */
const keptBytes = 16 * 1024 * 1024;

export class Buffers {
  /** Free buffers by size. */
  readonly #free = new Map<number, Buffer[]>();
  #kept = 0;

  /** A buffer of at least `bytes`; its contents are arbitrary. */
  take(bytes: number): Buffer {
    const size = 2 ** Math.ceil(Math.log2(Math.max(smallestBytes, bytes)));
    const kept = this.#free.get(size)?.pop();
    if (kept === undefined) return Buffer.allocUnsafeSlow(size);
    this.#kept -= size;
    return kept;
  }

  /** Takes back a buffer that came from `take` and that nobody reads or writes any more. */
  give(buffer: Buffer): void {
    const size = buffer.length;
    if (this.#kept + size > keptBytes) return;
    this.#kept += size;
    const free = this.#free.get(size);
    if (free === undefined) this.#free.set(size, [buffer]);
    else free.push(buffer);
  }
}
