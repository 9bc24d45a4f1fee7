/**
 * Moves a file's bytes between two handles, many chunks in flight. All writes stay within a fixed
 * window after the contiguous prefix that has been acknowledged, so that an interrupted file is
 * known to be whole up to its size less that window.
 */
import { createHash } from 'node:crypto';
import type { Budget } from '../../../core/at-once.js';
import { FerryError } from '../../../core/errors.js';
import type { Handle } from '../../../endpoints/endpoint.js';

/** Bytes behind a temporary file's end that a later try writes again. */
export const resumeWindow = 32 * 1024 * 1024;

/** Bytes moved in one request where both sides take as much. */
export const largestChunk = 255 * 1024;
/** Requests of one file in flight at most, however little each may hold. */
const mostRequests = 1000;

/** How many requests of `each` bytes have `bytes` on their way. */
export function requestsFor(bytes: number, each: number): number {
  return Math.min(mostRequests, Math.ceil(bytes / each));
}

export interface ChunkMove {
  readonly from: Handle;
  readonly to: Handle;
  /** First byte to move, and the file's size. */
  readonly start: number;
  readonly size: number;
  /** Bytes a chunk. */
  readonly chunk: number;
  /** Chunks in flight at most. */
  readonly atOnce: number;
  readonly budget: Budget;
  /** Resolves when so many bytes more may flow. */
  readonly pass: ((bytes: number) => Promise<void>) | undefined;
  /** Whether to make a SHA-256 of the bytes moved. */
  readonly hash: boolean;
  readonly signal: AbortSignal;
  /** Told of each chunk once it is acknowledged. */
  readonly onBytes: (bytes: number) => void;
}

/** Resolves when every write is acknowledged, to the hash where asked for. A source that ends early is a `changed` error. */
export async function moveChunks(move: ChunkMove): Promise<string | undefined> {
  const { from, to, size, chunk, budget, signal } = move;
  const hash = move.hash ? createHash('sha256') : undefined;
  const free: Buffer[] = [];
  /** Chunks read before their turn to be hashed came, by position. */
  const unhashed = new Map<number, Buffer>();
  const acknowledged = new Map<number, number>();
  let hashed = move.start;
  let prefix = move.start;
  let failure: unknown;
  let running = 0;
  let wake: () => void = () => {};

  const takeHash = (position: number, data: Buffer) => {
    if (hash === undefined) return;
    if (position !== hashed) {
      unhashed.set(position, Buffer.from(data)); // its turn comes when the buffer may be another's
      return;
    }
    for (let next: Buffer | undefined = data; next !== undefined; next = unhashed.get(hashed)) {
      hash.update(next);
      unhashed.delete(hashed);
      hashed += next.length;
    }
  };

  const acknowledge = (position: number, length: number) => {
    acknowledged.set(position, length);
    for (let next = acknowledged.get(prefix); next !== undefined; next = acknowledged.get(prefix)) {
      acknowledged.delete(prefix);
      prefix += next;
    }
    move.onBytes(length);
  };

  const fail = (error: unknown) => {
    failure ??= error;
  };

  const one = async (position: number, length: number) => {
    const buffer = free.pop() ?? Buffer.allocUnsafeSlow(chunk);
    const data = buffer.subarray(0, length);
    const got = await from.read(data, position, signal);
    if (got < length)
      throw new FerryError('changed', 'it became shorter while it was read', {
        hint: 'nothing of it was published; it is sent whole once it holds still',
      });
    takeHash(position, data);
    await to.write(data, position, signal);
    acknowledge(position, length);
    free.push(buffer); // after an error a buffer may still be on its way out, and is let go
  };

  for (let position = move.start; position < size; ) {
    const length = Math.min(chunk, size - position);
    while (
      failure === undefined &&
      (running >= move.atOnce || position + length > prefix + resumeWindow)
    )
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    if (failure !== undefined) break;
    await budget.take(length);
    // before it is read, so that a line that is read from keeps the limit, too; one chunk a file
    // waits at a time, so that none of them comes long before another's
    if (failure === undefined) await move.pass?.(length).catch(fail);
    if (failure !== undefined) {
      budget.give(length); // it came in the meantime
      break;
    }
    running++;
    one(position, length)
      .catch(fail)
      .finally(() => {
        running--;
        budget.give(length);
        wake();
      });
    position += length;
  }
  while (running > 0)
    await new Promise<void>((resolve) => {
      wake = resolve;
    });
  if (failure !== undefined) throw failure;
  return hash?.digest('hex');
}
