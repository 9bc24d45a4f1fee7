/** Compares two files' bytes, where size and mtime don't tell: read side by side, no hash and no trust needed. */
import { createHash } from 'node:crypto';
import type { Endpoint, Handle } from '../../../endpoints/endpoint.js';
import { largestChunk, requestsFor } from './chunks.js';

/** Bytes of each side in flight. */
const ahead = 4 * largestChunk;

/** Bytes of each side that are read in one request, and requests in flight, for a file that is thought to be of `size`. */
function portions(a: Endpoint, b: Endpoint, size: number) {
  const most = Math.min(largestChunk, a.can.maxRead, b.can.maxRead);
  // one byte more, so that a small file's only read comes to its end
  return size < most
    ? { bytes: size + 1, atOnce: 1 }
    : { bytes: most, atOnce: requestsFor(ahead, most) };
}

/** Bytes of memory that comparing files of `size` bytes takes. */
export function memoryFor(a: Endpoint, b: Endpoint, size: number | undefined): number {
  const { bytes, atOnce } = portions(a, b, size ?? largestChunk);
  return 2 * bytes * atOnce;
}

/** Whether both files hold the same bytes; ends at the first difference. `expected` is their size, as far as known. */
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
    const { bytes: size, atOnce } = portions(a, b, expected ?? largestChunk);
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

/** SHA-256 of bytes at hand, hexadecimal. */
export function hashOf(data: Buffer): string {
  return createHash('sha256').update(data).digest('hex');
}

/** SHA-256 of a whole file read back from its side, hexadecimal. */
export async function hashOfFile(
  side: Endpoint,
  path: string,
  signal: AbortSignal,
): Promise<string> {
  const handle = await side.open(path, 'read', 0, signal);
  try {
    const size = Math.min(largestChunk, side.can.maxRead);
    const atOnce = requestsFor(ahead, size);
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
