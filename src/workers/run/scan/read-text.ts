/** Reads a whole small text file of an endpoint. */
import { FerryError } from '../../../core/errors.js';
import type { Endpoint } from '../../../endpoints/endpoint.js';

/** Bytes; a larger file is an error. */
const largestTextBytes = 1024 * 1024;

/** The file's text; rejects with an `io` error if it is larger than 1 MiB. */
export async function readText(side: Endpoint, path: string, signal: AbortSignal): Promise<string> {
  const handle = await side.open(path, 'read', 0, signal);
  try {
    const buffer = Buffer.alloc(largestTextBytes + 1);
    let length = 0;
    while (length < buffer.length) {
      const end = Math.min(buffer.length, length + side.can.maxRead);
      const n = await handle.read(buffer.subarray(length, end), length, signal);
      if (n === 0) break;
      length += n;
    }
    if (length > largestTextBytes)
      throw new FerryError('io', 'the ignore file is larger than 1 MiB', { path });
    return buffer.toString('utf8', 0, length);
  } finally {
    await handle.close();
  }
}
