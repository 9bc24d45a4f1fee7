/** The index of a state folder's reports as its daemon uses it: in memory, and kept up to what processes add to the file. */
import { type FileHandle, open } from 'node:fs/promises';
import { Worker } from 'node:worker_threads';
import { sharedLook } from '../core/at-once.js';
import { FerryError } from '../core/errors.js';
import { rebuildIndex, tableOf } from './index-file.js';
import type { IndexResult } from './index-worker.js';
import { indexFile } from './layout.js';
import { readLine } from './run-line.js';
import { RunTable } from './run-table.js';

export interface RunIndexOptions {
  readonly state: string;
  /** Called when the file can't be written: it is then made again and again, which costs time. */
  readonly onError: (error: Error) => void;
}

/** Bytes read and lines taken in without letting others work: a thousand lines take a millisecond. */
const pieceBytes = 64 * 1024;
/** An index of more than this, and of several times what it says, is made again: it holds much that is superseded. */
const tidyBytes = 8 * 1024 * 1024;
const bytesOfLine = 150;
const tidyFactor = 4;
/** While the file can't be written, the reports are read again after this time. */
const againMs = 60_000;

export class RunIndex {
  readonly #options: RunIndexOptions;
  #table = new RunTable();
  /** The file of which the table has what is before `#offset`. */
  #inode: bigint | undefined;
  #offset = 0;
  #isDamaged = true;
  #unwrittenUntil = 0;
  #isClosed = false;
  readonly #look = sharedLook(() => this.#follow());
  #thread: Worker | undefined;

  /** The caller holds the state folder. The index is made whole at once, in a thread. */
  constructor(options: RunIndexOptions) {
    this.#options = options;
    this.table().catch(options.onError);
  }

  /** The runs with all that was added before this call. It changes with later calls. Rejects with `io`. */
  async table(): Promise<RunTable> {
    await this.#look();
    return this.#table;
  }

  /** Ends the thread, if there is one. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#thread?.terminate();
  }

  async #follow(): Promise<void> {
    if (this.#isClosed) return;
    if (performance.now() < this.#unwrittenUntil) return;
    if (!this.#isDamaged && (await this.#readOn())) return;
    await this.#rebuild();
  }

  /** Takes in what is new in the file; false if there is none, or it makes no sense. */
  async #readOn(): Promise<boolean> {
    let handle: FileHandle;
    try {
      handle = await open(indexFile(this.#options.state), 'r');
    } catch {
      return false;
    }
    try {
      const { ino, size } = await handle.stat({ bigint: true });
      if (ino !== this.#inode) {
        this.#table = new RunTable();
        this.#inode = ino;
        this.#offset = 0;
      }
      if (Number(size) < this.#offset) return false;
      const isWhole = await this.#readFrom(handle);
      const most = Math.max(tidyBytes, this.#table.size * bytesOfLine * tidyFactor);
      return isWhole && this.#offset <= most;
    } finally {
      await handle.close();
    }
  }

  /** Reads to the last line end; false if a line made no sense. */
  async #readFrom(handle: FileHandle): Promise<boolean> {
    const buffer = Buffer.alloc(pieceBytes);
    for (;;) {
      const { bytesRead } = await handle.read(buffer, 0, pieceBytes, this.#offset);
      const end = buffer.subarray(0, bytesRead).lastIndexOf('\n') + 1;
      // A line without an end is still being written, or its process was killed; none is this long.
      if (end === 0) return bytesRead < pieceBytes;
      for (const text of buffer.toString('utf8', 0, end - 1).split('\n')) {
        if (text === '') continue;
        const line = readLine(text);
        if (line === undefined) return false;
        this.#table.apply(line);
      }
      this.#offset += end;
    }
  }

  /** Has the file made again and reads it; where it can't be written, the runs come from the thread. */
  async #rebuild(): Promise<void> {
    const { state, onError } = this.#options;
    this.#isDamaged = true;
    const { text = '', unwritten, error } = await this.#inThread().catch(() => this.#here());
    if (error !== undefined) throw new FerryError('io', `reports can't be listed: ${error}`);
    this.#inode = undefined;
    if (unwritten === undefined) {
      this.#isDamaged = !(await this.#readOn());
      return;
    }
    this.#table = tableOf(text);
    this.#unwrittenUntil = performance.now() + againMs;
    onError(
      new Error(`${indexFile(state)} can't be written, so reports are listed anew: ${unwritten}`),
    );
  }

  /** Rejects when there can be no thread, or it ended without a word. */
  #inThread(): Promise<IndexResult> {
    return new Promise((resolve, reject) => {
      const thread = new Worker(new URL('./index-worker.js', import.meta.url), {
        workerData: this.#options.state,
      });
      this.#thread = thread;
      thread.once('message', resolve);
      thread.once('error', reject);
      thread.once('exit', () => reject(new Error('the thread has ended')));
    });
  }

  async #here(): Promise<IndexResult> {
    return this.#isClosed ? {} : rebuildIndex(this.#options.state);
  }
}
