/**
 * The names of ferryline's own files beside a final one. Their form is fixed (`isOurs` in
 * core/entry.ts recognises it), so that scans, filters and watches skip them:
 *
 *     .NAME.<fingerprint>.<start>-<random>.ferrypart   a file being written
 *     .NAME.<fingerprint>.ferryold                     the old file, set aside until the new one is in place
 *
 * A fingerprint has two halves of twelve hexadecimal digits: who writes (../writers.ts), and what (path,
 * size, mtime …). Older versions wrote sixteen digits that name no writer.
 */
import { randomBytes } from 'node:crypto';
import { join, nameOf, parentOf } from '../../../core/entry.js';
import { hashedStem } from '../../../jobs/plan/aside.js';
import { fingerprint } from '../fingerprint.js';

/** Half of a fingerprint. */
export function halfOf(parts: readonly (string | number | undefined)[]): string {
  return fingerprint(parts).slice(0, 12);
}

/** The fingerprint of a writer's temporary file for what the parts say. */
export function markOf(writer: string, parts: readonly (string | number | undefined)[]): string {
  return writer + halfOf(parts);
}

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

/** A number below `suffixes`, another one each time. */
function unique(): number {
  if (next < 0) next = randomBytes(6).readUIntBE(0, 6);
  next = (next + 1) % suffixes;
  return next;
}

/** Eight characters in base 36. */
function uniqueSuffix(): string {
  return unique().toString(36).padStart(8, '0');
}

/**
 * A new path to which this writer moves an old entry while it is replaced in several steps: what an earlier
 * run left aside may still be there, and would be in the way under the same name.
 */
export function asidePath(path: string, writer: string): string {
  return ours(path, `${writer}${unique().toString(16).padStart(12, '0')}.ferryold`);
}

/** Names may have at most 255 bytes nearly everywhere; a longer one is replaced by its hash. */
function ours(path: string, suffix: string): string {
  const name = nameOf(path);
  const fits = Buffer.byteLength(name) + suffix.length + 2 <= 255;
  const stem = fits ? name : hashedStem(name);
  return join(parentOf(path), `.${stem}.${suffix}`);
}

const form =
  /\.(?:([0-9a-f]{12})([0-9a-f]{12})|[0-9a-f]{16})\.(?:([0-9a-z]{6,9})-[0-9a-z]{8}\.ferrypart|ferryold)$/;

/** What the name of one of ferryline's own files says. */
export interface OwnName {
  /** Undefined: an older version wrote it. */
  readonly writer: string | undefined;
  readonly mark: string | undefined;
  /** When the run started that wrote a temporary file, ms since the epoch; undefined for one that is aside. */
  readonly start: number | undefined;
}

/** Reads a name for which `isOurs` holds. */
export function readOwnName(name: string): OwnName {
  const [, writer, what, start] = form.exec(name) ?? [];
  return {
    writer,
    mark: writer === undefined ? undefined : `${writer}${what}`,
    start: start === undefined ? undefined : Number.parseInt(start, 36) * 1000,
  };
}
