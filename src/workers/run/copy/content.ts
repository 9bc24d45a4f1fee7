/** Compares the bytes of two files where size and mtime do not decide, by reading both; and hashes files. */
import { createHash } from 'node:crypto';
import type { Endpoint, Handle } from '../../../endpoints/endpoint.js';
import { largestChunkBytes, requestsFor } from './chunks.js';

/** Bytes in flight on each side. */
const bytesAhead = 4 * largestChunkBytes;

/** Bytes read in one request on each side, and requests in flight, for a file that probably has `size` bytes. */
function portions(a: Endpoint, b: Endpoint, size: number) {
  const most = Math.min(largestChunkBytes, a.can.maxRead, b.can.maxRead);
  // one byte more, so that the only read of a small file reaches its end
  return size < most
    ? { bytes: size + 1, atOnce: 1 }
    : { bytes: most, atOnce: requestsFor(bytesAhead, most) };
}

/** Bytes of memory that comparing files of `size` bytes takes. */
export function memoryFor(a: Endpoint, b: Endpoint, size: number | undefined): number {
  const { bytes, atOnce } = portions(a, b, size ?? largestChunkBytes);
  return 2 * bytes * atOnce;
}

/** Whether both files hold the same bytes; stops at the first difference. `expected` is their size, if known. */
export async function sameContent(
  a: Endpoint,
  aPath: string,
  b: Endpoint,
  bPath: string,
  signal: AbortSignal,
  expected?: number,
): Promise<boolean> {
  const ours = await a.open(aPath, 'read', 0, signal);
  const theirs = await b.open(bPath, 'read', 0, signal).catch(async (error) => {
    await ours.close().catch(() => {});
    throw error;
  });
  try {
    const { bytes: size, atOnce } = portions(a, b, expected ?? largestChunkBytes);
    const buffers = Array.from({ length: atOnce }, () => [Buffer.alloc(size), Buffer.alloc(size)]);
    for (let at = 0; ; at += size * atOnce) {
      const results = await Promise.all(
        buffers.map(([x, y], i) =>
          samePart(ours, theirs, x as Buffer, y as Buffer, at + i * size, signal),
        ),
      );
      if (results.includes('different')) return false;
      if (results.includes('end')) return true;
    }
  } finally {
    await Promise.allSettled([ours.close(), theirs.close()]);
  }
}

async function samePart(
  a: Handle,
  b: Handle,
  x: Buffer,
  y: Buffer,
  position: number,
  signal: AbortSignal,
): Promise<'same' | 'different' | 'end'> {
  const [n, m] = await Promise.all([a.read(x, position, signal), b.read(y, position, signal)]);
  if (n !== m || x.compare(y, 0, m, 0, n) !== 0) return 'different';
  return n < x.length ? 'end' : 'same';
}

/** The SHA-256 of a buffer, hexadecimal. */
export function hashOf(data: Buffer): string {
  return createHash('sha256').update(data).digest('hex');
}

/** The SHA-256 of a whole file, read from its side, hexadecimal. */
export async function hashOfFile(
  side: Endpoint,
  path: string,
  signal: AbortSignal,
): Promise<string> {
  const handle = await side.open(path, 'read', 0, signal);
  try {
    const size = Math.min(largestChunkBytes, side.can.maxRead);
    const atOnce = requestsFor(bytesAhead, size);
    const hash = createHash('sha256');
    const buffers = Array.from({ length: atOnce }, () => Buffer.alloc(size));
    for (let at = 0; ; at += size * atOnce) {
      const lengths = await Promise.all(
        buffers.map((buffer, i) => handle.read(buffer, at + i * size, signal)),
      );
      for (const [i, n] of lengths.entries()) {
        hash.update((buffers[i] as Buffer).subarray(0, n));
        if (n < size) return hash.digest('hex');
      }
    }
  } finally {
    await handle.close().catch(() => {});
  }
}
