/**
 * What is remembered of a job's files, by path, in a file of JSON lines that usually does not exist.
 * Lines are added: the last one of a path counts. The file is rewritten once most of its lines no
 * longer count, since replacing a file takes far longer than adding a line. If it can't be written,
 * the lines that are in it still count.
 */
import { closeSync, fdatasyncSync, mkdirSync, openSync, writeSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { readSmall } from '../../../state/read-small.js';
import { writeWhole } from '../../../state/write-whole.js';

/** How a value is in its line, beside `sides` and `path`. */
export interface LineFormat<T> {
  /** Undefined: nothing is remembered of the path any more. */
  fields(value: T | undefined): object;
  /** The line's value as in `fields`; throws for one that makes no sense. */
  value(line: Readonly<Record<string, unknown>>): T | undefined;
}

/** The file is rewritten when it has more lines than paths by this number, and by so many for each path. */
const [mostSuperseded, mostSupersededEach] = [50, 2];

export class PathJournal<T> {
  readonly #file: string;
  /** A fingerprint of the job's two sides, part of each line: what is remembered between others does not count. */
  readonly #sides: string;
  readonly #format: LineFormat<T>;
  readonly #byPath = new Map<string, T>();
  /** Paths whose last line is not, or may not be, what is in memory. */
  readonly #unwritten = new Set<string>();
  #lines = 0;
  #changed = false;
  /** Whether there may be a file. */
  #exists = false;
  /** File descriptor; undefined until the first line is added. */
  #fd: number | undefined;
  #closed = false;

  private constructor(file: string, sides: string, format: LineFormat<T>) {
    this.#file = file;
    this.#sides = sides;
    this.#format = format;
  }

  /** Reads what is remembered between these sides; nothing, if the file is missing or can't be read. */
  static open<T>(file: string, sides: string, format: LineFormat<T>): PathJournal<T> {
    const journal = new PathJournal<T>(file, sides, format);
    journal.#read(readSmall(file));
    return journal;
  }

  get byPath(): ReadonlyMap<string, T> {
    return this.#byPath;
  }

  /** Remembers a value (undefined: no longer) from now on, even if the process is killed. */
  add(path: string, value: T | undefined): void {
    this.set(path, value);
    if (this.#closed) return; // another run may have the file by now
    this.#append([path]);
  }

  /** Remembers a value (undefined: no longer) once the journal is closed. */
  set(path: string, value: T | undefined): void {
    if (value !== undefined) this.#byPath.set(path, value);
    else if (!this.#byPath.delete(path)) return;
    this.#changed = true;
    this.#unwritten.add(path);
  }

  /** Forgets these paths, on the disk too, before anything is done to the files there. Throws if that can't be written. */
  forget(paths: Iterable<string>): void {
    const known = [...paths].filter((path) => this.#byPath.has(path));
    if (known.length === 0) return;
    for (const path of known) this.set(path, undefined);
    this.#append(known);
    if (this.#fd === undefined) throw new Error('the lines could not be written');
    fdatasyncSync(this.#fd);
  }

  /** Writes what is remembered by now. */
  flush(): void {
    if (!this.#closed && this.#unwritten.size > 0) this.#append([...this.#unwritten]);
  }

  /** Closes the file, and writes what is not written yet unless the run is no longer this process's. */
  async close(isOurs: boolean): Promise<void> {
    this.#closed = true;
    try {
      if (isOurs && this.#changed) await this.#writeRest();
    } catch {
      // the lines in the file still say what was added
    } finally {
      this.#shut();
    }
  }

  async #writeRest(): Promise<void> {
    const paths = this.#byPath.size;
    if (paths === 0) {
      if (this.#exists) await rm(this.#file, { force: true });
    } else if (this.#lines > mostSuperseded + (1 + mostSupersededEach) * paths)
      await writeWhole(this.#file, this.#text([...this.#byPath.keys()]));
    else if (this.#unwritten.size > 0) this.#append([...this.#unwritten]);
  }

  #read(text: string): void {
    this.#exists = text !== '';
    for (const line of text.split('\n')) {
      if (line === '') continue;
      this.#lines++;
      try {
        const { sides, path, ...fields } = JSON.parse(line) as Record<string, unknown>;
        if (sides !== this.#sides || typeof path !== 'string') continue;
        const value = this.#format.value(fields);
        if (value === undefined) this.#byPath.delete(path);
        else this.#byPath.set(path, value);
      } catch {
        // an incomplete line
      }
    }
  }

  /** A failure matters only if this process is killed: the end of the run tries again. */
  #append(paths: readonly string[]): void {
    try {
      // the last line may be incomplete
      const start = this.#fd === undefined ? '\n' : '';
      this.#fd ??= this.#openFile();
      const text = Buffer.from(start + this.#text(paths));
      if (writeSync(this.#fd, text) < text.length) throw new Error('no space left');
      this.#lines += paths.length;
      for (const path of paths) this.#unwritten.delete(path);
    } catch {
      this.#shut();
    }
  }

  #shut(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }

  #openFile(): number {
    if (!this.#exists) mkdirSync(dirname(this.#file), { recursive: true, mode: 0o700 });
    const fd = openSync(this.#file, 'a', 0o600);
    this.#exists = true;
    return fd;
  }

  #text(paths: readonly string[]): string {
    return paths
      .map((path) => {
        const fields = this.#format.fields(this.#byPath.get(path));
        return `${JSON.stringify({ sides: this.#sides, path, ...fields })}\n`;
      })
      .join('');
  }
}
