/**
 * Reads a folder's ignore file. A link is followed inside the root; one that leads out of it or
 * nowhere, and a file that can't be read, are errors: what it was to keep back is unknown then, so
 * that nothing of its folder may be published or deleted.
 */
import { type Entry, join } from '../../../core/entry.js';
import { FerryError } from '../../../core/errors.js';
import type { Endpoint } from '../../../endpoints/endpoint.js';
import { chase } from './links.js';

/** Bytes; a larger file is an error. */
const largestTextBytes = 1024 * 1024;

/** The text of the ignore file `entry` of `folder`; rejects with an `io` error if there is no reading it whole. */
export async function readIgnoreFile(
  side: Endpoint,
  folder: string,
  entry: Entry,
  signal: AbortSignal,
): Promise<string> {
  const path = join(folder, entry.name);
  if (entry.kind === 'file') return readText(side, path, signal);
  if (entry.kind !== 'link') throw unread(path, 'it is neither a file nor a link');
  const target = await side.readlink(path, signal);
  const isAbsolute = target.startsWith('/') || target.includes('\0');
  const end = isAbsolute ? undefined : await chase(side, folder, target, signal);
  if (end?.stat.kind !== 'file')
    throw unread(path, 'it is a link that leads to no file inside the source, or is absolute');
  return readText(side, end.path, signal);
}

function unread(path: string, why: string): FerryError {
  return new FerryError('io', `the ignore file can't be read: ${why}`, {
    path,
    hint: 'nothing of its folder was copied or deleted; put a file in its place, or a relative link to one inside the source',
  });
}

async function readText(side: Endpoint, path: string, signal: AbortSignal): Promise<string> {
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
