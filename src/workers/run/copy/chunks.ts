/**
 * Moves a file's bytes between two handles, many chunks in flight. All writes stay within a fixed
 * window after the contiguous prefix that has been acknowledged, so that an interrupted file is
 * known to be complete except for the last bytes of that window.
 */
import { createHash } from 'node:crypto';
import type { Budget } from '../../../core/at-once.js';
import { FerryError } from '../../../core/errors.js';
import type { Handle } from '../../../endpoints/endpoint.js';
import type { Buffers } from './buffers.js';

/** Bytes at the end of a temporary file that a later try writes again. */
export const resumeWindowBytes = 32 * 1024 * 1024;

/** Bytes of a file between two requests to put it on the other side's disk, so that a power cut there leaves no hole below. */
const flushEveryBytes = { first: 8 * 1024 * 1024, least: 4 * 1024 * 1024, most: 64 * 1024 * 1024 };
/** The next request is for as many bytes as should take this long: meanwhile a server answers nothing else, and a slow disk must not look like a dead one. */
const flushWithinMs = 2000;

/** Bytes moved in one request if both sides allow as many. */
export const largestChunkBytes = 255 * 1024;
/** Requests in flight at most, however small each is. */
const requestsInFlight = 1000;

/** The number of requests of `each` bytes that keep `bytes` in flight. */
export function requestsFor(bytes: number, each: number): number {
  return Math.min(requestsInFlight, Math.ceil(bytes / each));
}

/**
 * The chunks in flight of all files that share it. The file with the least left goes first: it ends, and the round
 * trips of its end pass while others send. In turn, all would end together, with nothing on its way meanwhile.
 */
export class Flight {
  #chunks = 0;
  /** Those with the least left first. */
  readonly #waiting: { readonly most: number; readonly left: number; readonly go: () => void }[] =
    [];

  /** Takes a place once fewer than `most` chunks are in flight; `left`: the file's bytes that have none yet. */
  async enter(most: number, left: number): Promise<void> {
    if (this.#waiting.length === 0 && this.#chunks < most) {
      this.#chunks++;
      return;
    }
    const before = this.#waiting.findIndex((other) => other.left > left);
    const at = before < 0 ? this.#waiting.length : before;
    await new Promise<void>((go) => this.#waiting.splice(at, 0, { most, left, go }));
  }

  leave(): void {
    this.#chunks--;
    for (let next = this.#waiting[0]; next && this.#chunks < next.most; next = this.#waiting[0]) {
      this.#waiting.shift();
      this.#chunks++;
      next.go();
    }
  }
}

export interface ChunkMove {
  readonly from: Handle;
  readonly to: Handle;
  /** First byte to move, and the file's size. */
  readonly start: number;
  readonly size: number;
  /** Bytes in a chunk. */
  readonly chunk: number;
  /** Chunks in flight at most, over all files that share `flight`; it may change meanwhile. */
  readonly atOnce: number;
  readonly flight: Flight;
  readonly budget: Budget;
  readonly buffers: Buffers;
  /** Resolves when this many more bytes may flow. */
  readonly pass: ((bytes: number) => Promise<void>) | undefined;
  /** Whether to compute the SHA-256 of the bytes moved. */
  readonly hash: boolean;
  /** Whether it is an error when the other side can't put the bytes on its disk. */
  readonly fsync: boolean;
  readonly signal: AbortSignal;
  /** Called for each chunk once it is acknowledged. */
  readonly onBytes: (bytes: number) => void;
}

/** Resolves, once every write is acknowledged, to the hash if one was requested. Rejects with a `changed` error if the source ends early. */
export async function moveChunks(move: ChunkMove): Promise<string | undefined> {
  const { from, to, size, chunk, budget, buffers, flight, signal } = move;
  const hash = move.hash ? createHash('sha256') : undefined;
  /** Chunks that were read before an earlier one was hashed, by position. */
  const unhashed = new Map<number, Buffer>();
  const acknowledged = new Map<number, number>();
  let hashed = move.start;
  let prefix = move.start;
  let flushEvery = flushEveryBytes.first;
  let flushAt = move.start + flushEvery;
  let flushed: Promise<void> | undefined;
  let failure: unknown;
  let running = 0;
  let isRead = false;
  let wake: () => void = () => {};

  const takeHash = (position: number, data: Buffer) => {
    if (hash === undefined) return;
    if (position !== hashed) {
      unhashed.set(position, Buffer.from(data)); // copied, since the buffer is reused before the chunk is hashed
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
    if (prefix >= flushAt && prefix < size) flush();
  };

  const fail = (error: unknown) => {
    failure ??= error;
  };

  /** One at a time. Nothing waits for it but the end of a file that is to be on the disk anyway: its error may be told only once. */
  const flush = () => {
    const began = performance.now();
    const asked = prefix;
    flushAt = Number.POSITIVE_INFINITY;
    flushed = to.flush?.(signal).then(
      () => {
        const { least, most } = flushEveryBytes;
        const took = Math.max(1, performance.now() - began);
        flushEvery = Math.min(most, Math.max(least, (flushEvery * flushWithinMs) / took));
        flushAt = asked + flushEvery;
      },
      (error) => {
        if (move.fsync) fail(error);
      },
    );
  };

  const one = async (position: number, length: number) => {
    const buffer = buffers.take(chunk);
    const data = buffer.subarray(0, length);
    const got = await from.read(data, position, signal);
    if (got < length)
      throw new FerryError('changed', 'it became shorter while it was read', {
        hint: 'the destination was not changed; the next run tries again',
      });
    isRead = true;
    takeHash(position, data);
    await to.write(data, position, signal);
    acknowledge(position, length);
    buffers.give(buffer); // after an error a buffer may still be in use, so it is dropped
  };

  const giveBack = (length: number) => {
    budget.give(length);
    flight.leave();
  };

  for (let position = move.start; position < size; ) {
    const length = Math.min(chunk, size - position);
    while (failure === undefined && position + length > prefix + resumeWindowBytes)
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    if (failure !== undefined) break;
    await flight.enter(move.atOnce, size - position);
    await budget.take(length);
    // before the read, so that the limit holds for downloads too; each file waits with one chunk at
    // a time, so that none takes the limit for itself
    if (failure === undefined) await move.pass?.(length).catch(fail);
    if (failure !== undefined) {
      giveBack(length); // another chunk failed while this one waited
      break;
    }
    running++;
    one(position, length)
      .catch(fail)
      .finally(() => {
        running--;
        giveBack(length);
        wake();
      });
    position += length;
    // a source at hand would be read far ahead in one turn of the event loop, before anything is sent
    if (isRead && prefix === move.start) await new Promise(setImmediate);
  }
  while (running > 0)
    await new Promise<void>((resolve) => {
      wake = resolve;
    });
  if (move.fsync) await flushed;
  if (failure !== undefined) throw failure;
  return hash?.digest('hex');
}
