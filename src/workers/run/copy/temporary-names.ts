/**
 * The names of ferryline's own files beside a final one. Their form is fixed (`isOurs` in
 * core/entry.ts recognises it), so that scans, filters and watches skip them:
 *
 *     .NAME.<fingerprint>.<start>-<random>.ferrypart   a file being written
 *     .NAME.<fingerprint>.ferryold                     the old file, set aside until the new one is in place
 */
import { randomBytes } from 'node:crypto';
import { join, nameOf, parentOf } from '../../../core/entry.js';
import { hashedStem } from '../../../jobs/plan/aside.js';

/** A new temporary path for `path`. The run's start (ms since the epoch) is part of the name, so that old files can be recognised. */
export function temporaryPath(path: string, mark: string, start: number): string {
  const seconds = Math.floor(start / 1000)
    .toString(36)
    .padStart(6, '0'); // a clock may be set to 1970
  return ours(path, `${mark}.${seconds}-${uniqueSuffix()}.ferrypart`);
}

const suffixes = 36 ** 8;
// a random start for this process, then a counter: its own names differ, and a clash with another
// process is improbable. A system call for each name would cost more than the rest of a small file.
let next = -1;

/** Eight characters in base 36. */
function uniqueSuffix(): string {
  if (next < 0) next = randomBytes(6).readUIntBE(0, 6);
  next = (next + 1) % suffixes;
  return next.toString(36).padStart(8, '0');
}

/** The path an old entry is moved to while it is replaced in several steps. */
export function asidePath(path: string, mark: string): string {
  return ours(path, `${mark}.ferryold`);
}

/** Names may have at most 255 bytes nearly everywhere; a longer one is replaced by its hash. */
function ours(path: string, suffix: string): string {
  const name = nameOf(path);
  const fits = Buffer.byteLength(name) + suffix.length + 2 <= 255;
  const stem = fits ? name : hashedStem(name);
  return join(parentOf(path), `.${stem}.${suffix}`);
}

const part = /^\.(.*)\.([0-9a-f]{16})\.([0-9a-z]{6,9})-[0-9a-z]{8}\.ferrypart$/s;

/** The fingerprint and the run's start (ms since the epoch) in a temporary name; undefined for other names. */
export function readTemporary(
  name: string,
): { readonly mark: string; readonly start: number } | undefined {
  const found = part.exec(name);
  return found === null
    ? undefined
    : { mark: found[2] as string, start: Number.parseInt(found[3] as string, 36) * 1000 };
}
