/**
 * A file that lines are appended to, in batches, by size rotated if asked. What the lines say is
 * transfer-log.ts and run-log.ts.
 *
 * winston's own File transport is not used: it stops writing, and holds all that follows in
 * memory, after a line longer than its `maxsize` (winston issue 2354) or under load (1318), and
 * with `tailable` it can stop rotating (1971).
 */
import {
  closeSync,
  fstatSync,
  mkdirSync,
  openSync,
  readSync,
  renameSync,
  statSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';

export interface LineFileOptions {
  readonly path: string;
  /** The file is renamed to `PATH.1` before it grows beyond `maxBytes`, `PATH.1` to `PATH.2` and so on, up to `kept`. */
  readonly rotate?: { readonly maxBytes: number; readonly kept: number };
  /** The line that says how many lines are missing where it stands. */
  readonly lostLine: (lost: number) => string;
  /** Told once when writing begins to fail, and again only after it has worked. */
  readonly onError: (error: Error) => void;
}

export interface LineFile {
  /** Appends a line, given without its end. Never throws; a line that can't be written is counted as lost. */
  write(line: string): void;
  /** Writes what is held back and closes the file; what comes later is dropped. */
  close(): void;
}

/** Bytes gathered before they are written. */
const largestBatch = 64 * 1024;
/** Milliseconds a line is held back at most. */
const longestWait = 200;

/**
 * Opens a file for its owner only, its folder made. Batches are written in the calling thread: a
 * caller that tells more than the disk takes is slowed down by it, and memory holds one batch. A
 * file that somebody else renamed is opened anew under its name, so that several processes and
 * logrotate may share it.
 */
export function openLineFile(options: LineFileOptions): LineFile {
  const { path, rotate, lostLine, onError } = options;
  const batch = Math.min(largestBatch, rotate?.maxBytes ?? largestBatch);
  let open: { readonly fd: number; readonly inode: number } | undefined;
  let held: string[] = [];
  let heldBytes = 0;
  let lost = 0;
  let failing = false;
  let closed = false;
  let timer: NodeJS.Timeout | undefined;

  /** The file that has the name now, and its size. */
  const current = (): { fd: number; size: number } => {
    const there = statSync(path, { throwIfNoEntry: false });
    if (open !== undefined && there?.ino === open.inode) return { fd: open.fd, size: there.size };
    shut();
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    const fd = openSync(path, 'a+', 0o600);
    const { ino, size } = fstatSync(fd);
    open = { fd, inode: ino };
    return { fd, size };
  };
  const shut = () => {
    if (open !== undefined) closeSync(open.fd);
    open = undefined;
  };
  const place = (bytes: number) => {
    const found = current();
    if (rotate === undefined || found.size === 0 || found.size + bytes <= rotate.maxBytes)
      return found;
    shut();
    for (let n = rotate.kept; n > 0; n--)
      renameIfThere(n === 1 ? path : `${path}.${n - 1}`, `${path}.${n}`);
    return current();
  };
  const flush = () => {
    clearTimeout(timer);
    timer = undefined;
    if (held.length === 0) return;
    const lines = held;
    held = [];
    heldBytes = 0;
    try {
      const said = lost > 0 ? [lostLine(lost), ...lines] : lines;
      const data = Buffer.from(`${said.join('\n')}\n`);
      const { fd, size } = place(data.length);
      // a line that an earlier writer could not finish is ended first
      if (size > 0 && !endsLine(fd, size)) writeAll(fd, Buffer.from('\n'));
      writeAll(fd, data);
      lost = 0;
      failing = false;
    } catch (error) {
      lost += lines.length;
      if (!failing) onError(error as Error);
      failing = true;
    }
  };

  return {
    write(line) {
      if (closed) return;
      const bytes = Buffer.byteLength(line) + 1;
      if (heldBytes + bytes > batch) flush();
      held.push(line);
      heldBytes += bytes;
      timer ??= setTimeout(flush, longestWait);
    },
    close() {
      closed = true;
      flush();
      shut();
    },
  };
}

function writeAll(fd: number, data: Buffer): void {
  for (let at = 0; at < data.length; ) at += writeSync(fd, data, at);
}

function endsLine(fd: number, size: number): boolean {
  const last = Buffer.alloc(1);
  return readSync(fd, last, 0, 1, size - 1) === 0 || last[0] === 0x0a;
}

function renameIfThere(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}
