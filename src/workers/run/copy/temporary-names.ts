/**
 * The names ferryline gives its own files beside a final one. Their form is fixed (core/entry.ts
 * `isOurs` knows it), so that scans, filters and watches pass them over:
 *
 *     .NAME.<fingerprint>.<start>-<random>.ferrypart   a file being written
 *     .NAME.<fingerprint>.ferryold                     the old file, set aside while the new one comes
 */
import { hash, randomBytes } from 'node:crypto';
import { join, nameOf, parentOf } from '../../../core/entry.js';

/** A new temporary path for `path`; `start` is ms since the epoch, kept in the name so that old ones can be told. */
export function temporaryPath(path: string, mark: string, start: number): string {
  const seconds = Math.floor(start / 1000)
    .toString(36)
    .padStart(6, '0'); // a clock may stand at 1970
  return ours(path, `${mark}.${seconds}-${random()}.ferrypart`);
}

const places = 36 ** 8;
// one random start for this process, then a count: no two names of its own are alike, and none of
// another's by more than chance. A system call for each name would cost more than its file's other work.
let next = -1;

/** Eight characters of base 36. */
function random(): string {
  if (next < 0) next = randomBytes(6).readUIntBE(0, 6);
  next = (next + 1) % places;
  return next.toString(36).padStart(8, '0');
}

/** Where the old file stands while the new one takes its place, on a side without atomic replacement. */
export function asidePath(path: string, mark: string): string {
  return ours(path, `${mark}.ferryold`);
}

/** Names are at most 255 bytes nearly everywhere; a long one is hashed to fit. */
function ours(path: string, suffix: string): string {
  const name = nameOf(path);
  const fits = Buffer.byteLength(name) + suffix.length + 2 <= 255;
  const stem = fits ? name : hash('sha256', name).slice(0, 32);
  return join(parentOf(path), `.${stem}.${suffix}`);
}

const part = /^\.(.*)\.([0-9a-f]{16})\.([0-9a-z]{6,9})-[0-9a-z]{8}\.ferrypart$/s;

/** When a temporary name's writer started (ms since the epoch) and whose it is; undefined for other names. */
export function readTemporary(
  name: string,
): { readonly mark: string; readonly start: number } | undefined {
  const found = part.exec(name);
  return found === null
    ? undefined
    : { mark: found[2] as string, start: Number.parseInt(found[3] as string, 36) * 1000 };
}
