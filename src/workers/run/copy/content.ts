/** Compares the bytes of two files where size and mtime do not decide, by reading both; and hashes files. */
import { createHash } from 'node:crypto';
import { all } from '../../../core/at-once.js';
import type { Endpoint, Handle } from '../../../endpoints/endpoint.js';
import { untilNotGivingWay } from '../../../endpoints/give-way.js';
import { largestChunkBytes, requestsFor } from './chunks.js';

/** Bytes in flight on each side while a file is hashed. */
const bytesAhead = 4 * largestChunkBytes;
/** Chunks in flight on each side while two files are compared; more on a long line, but no more than fit into memory for several pairs. */
const leastChunks = 4;
const mostChunks = 32;

/** Bytes read in one request on each side, and requests in flight, for a file that probably has `size` bytes. */
function portions(a: Endpoint, b: Endpoint, size: number) {
  const most = Math.min(largestChunkBytes, a.can.maxRead, b.can.maxRead);
  // one byte more, so that the only read of a small file reaches its end
  if (size < most) return { bytes: size + 1, atOnce: 1 };
  const roundTrip = Math.max(a.can.roundTrip, b.can.roundTrip);
  const ofTheLargest = Math.max(leastChunks, Math.min(mostChunks, Math.round(2 * roundTrip)));
  const atOnce = requestsFor(ofTheLargest * largestChunkBytes, most);
  return { bytes: most, atOnce: Math.min(atOnce, Math.ceil((size + 1) / most)) };
}

/** The size assumed of a file whose size is unknown. */
const unknownBytes = leastChunks * largestChunkBytes;

/** Bytes of memory that comparing files of `size` bytes takes. */
export function memoryFor(a: Endpoint, b: Endpoint, size: number = unknownBytes): number {
  const { bytes, atOnce } = portions(a, b, size);
  return 2 * bytes * atOnce;
}

export interface ContentRules {
  /** The files' size, if known. */
  readonly size?: number | undefined;
  /** Only so many bytes count, which both files must have. Absent: all of them. */
  readonly limit?: number;
  /** Resolves when this many more bytes may flow. */
  readonly pass?: ((bytes: number) => Promise<void>) | undefined;
  /** Called with the bytes of each part found equal. */
  readonly onBytes?: (bytes: number) => void;
}

/** Whether both files hold the same bytes; stops at the first difference. */
export async function sameContent(
  a: Endpoint,
  aPath: string,
  b: Endpoint,
  bPath: string,
  signal: AbortSignal,
  rules: ContentRules = {},
): Promise<boolean> {
  const { bytes, atOnce } = portions(a, b, rules.limit ?? rules.size ?? unknownBytes);
  if (atOnce === 1 && rules.limit === undefined) {
    const same = await sameSmall([a, aPath], [b, bPath], bytes, signal, rules);
    if (same !== undefined) return same;
  }
  const [ours, theirs] = await untilNotGivingWay(signal, async () => {
    const first = await a.open(aPath, 'read', 0, signal);
    const second = await b.open(bPath, 'read', 0, signal, first).catch(async (error) => {
      await first.close().catch(() => {});
      throw error;
    });
    return [first, second] as const;
  });
  try {
    return await sameParts(ours, theirs, { ...rules, bytes, atOnce }, signal);
  } finally {
    await Promise.allSettled([ours.close(), theirs.close()]);
  }
}

/** Compares two small files, each read in as few round trips as its side allows; undefined if they turn out to be longer. */
async function sameSmall(
  [a, aPath]: readonly [Endpoint, string],
  [b, bPath]: readonly [Endpoint, string],
  bytes: number,
  signal: AbortSignal,
  { pass, onBytes }: ContentRules,
): Promise<boolean | undefined> {
  await pass?.(bytes - 1);
  const x = Buffer.allocUnsafeSlow(bytes);
  const y = Buffer.allocUnsafeSlow(bytes);
  const [ours, theirs] = await all(a.readWhole(aPath, x, signal), b.readWhole(bPath, y, signal));
  const n = ours.bytes;
  if (n !== theirs.bytes || x.compare(y, 0, n, 0, n) !== 0) return false;
  if (n === bytes) return undefined;
  onBytes?.(n);
  return true;
}

/** Compares two open files part by part, several at once, until one ends or differs. */
async function sameParts(
  a: Handle,
  b: Handle,
  rules: ContentRules & { readonly bytes: number; readonly atOnce: number },
  signal: AbortSignal,
): Promise<boolean> {
  const { bytes, atOnce, limit = Number.POSITIVE_INFINITY, pass, onBytes } = rules;
  let next = 0;
  let same = true;
  let ended = false;
  const lane = async () => {
    const x = Buffer.allocUnsafeSlow(bytes);
    const y = Buffer.allocUnsafeSlow(bytes);
    while (!ended && next < limit) {
      const at = next;
      const length = Math.min(bytes, limit - at);
      next += length;
      await pass?.(length);
      const [n, m] = await all(
        a.read(x.subarray(0, length), at, signal),
        b.read(y.subarray(0, length), at, signal),
      );
      if (n !== m || x.compare(y, 0, m, 0, n) !== 0) same = false;
      else onBytes?.(n);
      if (n < length && limit !== Number.POSITIVE_INFINITY) same = false;
      if (n < length || !same) ended = true;
    }
  };
  const guarded = () =>
    lane().catch((error) => {
      ended = true;
      throw error;
    });
  await all(...Array.from({ length: atOnce }, guarded));
  return same;
}

/** The SHA-256 of a buffer, hexadecimal. */
export function hashOf(data: Buffer): string {
  return createHash('sha256').update(data).digest('hex');
}

/** The SHA-256 of a whole file, which probably has `bytes` bytes, read from its side, hexadecimal. */
export async function hashOfFile(
  side: Endpoint,
  path: string,
  bytes: number,
  signal: AbortSignal,
  pass: ContentRules['pass'],
): Promise<string> {
  const handle = await side.open(path, 'read', 0, signal);
  try {
    const size = Math.min(largestChunkBytes, side.can.maxRead);
    // one byte more than it has is read, so that its end shows
    const atOnce = Math.min(requestsFor(bytesAhead, size), Math.ceil((bytes + 1) / size));
    const hash = createHash('sha256');
    const buffers = Array.from({ length: atOnce }, () => Buffer.alloc(size));
    for (let at = 0; ; at += size * atOnce) {
      const lengths = await Promise.all(
        buffers.map(async (buffer, i) => {
          await pass?.(size);
          return handle.read(buffer, at + i * size, signal);
        }),
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
