/**
 * A file to which lines are appended in batches, rotated by size on request. The lines themselves are
 * made by transfer-log.ts and run-log.ts.
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
  /** A line that reports how many lines are missing at this place. */
  readonly lostLine: (lost: number) => string;
  /** Called once when writing begins to fail, and again only after it has worked. */
  readonly onError: (error: Error) => void;
}

/** Lines are written once they have this size together. */
const largestBatchBytes = 64 * 1024;
/** Lines are written after this time at the latest. */
const longestWaitMs = 200;

/**
 * A file for its owner only; its folder is made. Batches are written in the calling thread: a caller
 * that is faster than the disk is slowed down by it, and memory holds one batch. After the file was
 * renamed, a new one is opened under its name, so that several processes and logrotate may share it.
 */
export class LineFile {
  readonly #options: LineFileOptions;
  readonly #batchBytes: number;
  #open: { readonly fd: number; readonly inode: number } | undefined;
  #held: string[] = [];
  #heldBytes = 0;
  #lost = 0;
  #failing = false;
  #closed = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: LineFileOptions) {
    this.#options = options;
    this.#batchBytes = Math.min(largestBatchBytes, options.rotate?.maxBytes ?? largestBatchBytes);
  }

  /** Appends a line, given without its end. Never throws; a line that can't be written is counted as lost. */
  write(line: string): void {
    if (this.#closed) return;
    const bytes = Buffer.byteLength(line) + 1;
    if (this.#heldBytes + bytes > this.#batchBytes) this.#flush();
    this.#held.push(line);
    this.#heldBytes += bytes;
    this.#timer ??= setTimeout(() => this.#flush(), longestWaitMs);
  }

  /** Appends a line at once, after those held back. Throws the system's error when it can't be written. */
  writeNow(line: string): void {
    this.#flush();
    this.#append([line]);
  }

  /** Writes the lines held back and closes the file; later lines are dropped. */
  close(): void {
    this.#closed = true;
    this.#flush();
    this.#shut();
  }

  #flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#held.length === 0) return;
    const lines = this.#held;
    this.#held = [];
    this.#heldBytes = 0;
    try {
      this.#append(lines);
      this.#failing = false;
    } catch (error) {
      this.#lost += lines.length;
      const why = (error as Error).message;
      if (!this.#failing)
        this.#options.onError(new Error(`lines of ${this.#options.path} are lost: ${why}`));
      this.#failing = true;
    }
  }

  #append(lines: readonly string[]): void {
    const all = this.#lost > 0 ? [this.#options.lostLine(this.#lost), ...lines] : lines;
    const data = Buffer.from(`${all.join('\n')}\n`);
    const { fd, size } = this.#fileWithRoomFor(data.length);
    // a line that an earlier writer could not finish is ended first
    if (size > 0 && !endsLine(fd, size)) writeAll(fd, Buffer.from('\n'));
    writeAll(fd, data);
    this.#lost = 0;
  }

  /** The file to write to, rotated before it would grow too large. */
  #fileWithRoomFor(bytes: number): { fd: number; size: number } {
    const { path, rotate } = this.#options;
    const current = this.#current();
    if (rotate === undefined || current.size === 0 || current.size + bytes <= rotate.maxBytes)
      return current;
    this.#shut();
    for (let n = rotate.kept; n > 0; n--)
      renameIfThere(n === 1 ? path : `${path}.${n - 1}`, `${path}.${n}`);
    return this.#current();
  }

  /** The file that has the name now, and its size. */
  #current(): { fd: number; size: number } {
    const { path } = this.#options;
    const there = statSync(path, { throwIfNoEntry: false });
    if (this.#open !== undefined && there?.ino === this.#open.inode)
      return { fd: this.#open.fd, size: there.size };
    this.#shut();
    const fd = openInFolder(path);
    const { ino, size } = fstatSync(fd);
    this.#open = { fd, inode: ino };
    return { fd, size };
  }

  #shut(): void {
    if (this.#open !== undefined) closeSync(this.#open.fd);
    this.#open = undefined;
  }
}

function openInFolder(path: string): number {
  try {
    return openSync(path, 'a+', 0o600);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  return openSync(path, 'a+', 0o600);
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
