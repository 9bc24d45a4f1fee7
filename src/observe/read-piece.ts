/** Reads a file of lines piece by piece: from where the piece before ended, so that no page of a long log reads what came before it. */
import type { FileHandle } from 'node:fs/promises';
import { cutReport } from '../core/cut-report.js';
import type { RunEnd } from '../core/events.js';
import { isWanted, mostPieceBytes, type Piece, type PieceWanted } from '../core/run-piece.js';
import { jsonLine } from '../core/text.js';
import { openIfThere } from './open-log.js';

const chunkBytes = 64 * 1024;
/** A piece ends after so much of the file, also where few lines of it are wanted: some 50 ms. */
const mostScannedBytes = 4 * 1024 * 1024;
/** A longer line is replaced by what is essential of it. */
const longestLineBytes = 48 * 1024;

/**
 * The wanted lines of a file of JSON lines from a byte on; undefined where there is no such file. A line
 * that a crash cut short is passed over, and so is one that is still being written. Errors: `io`.
 */
export async function readPiece(path: string, wanted: PieceWanted): Promise<Piece | undefined> {
  const file = await openIfThere(path);
  if (file === undefined) return undefined;
  try {
    return await new PieceReader(file, wanted).read();
  } finally {
    await file.close();
  }
}

class PieceReader {
  readonly #file: FileHandle;
  readonly #wanted: PieceWanted;
  readonly #lines: string[] = [];
  #bytes = 0;
  /** Where the next line begins. */
  #next: number;

  constructor(file: FileHandle, wanted: PieceWanted) {
    this.#file = file;
    this.#wanted = wanted;
    this.#next = wanted.from;
  }

  async read(): Promise<Piece> {
    const chunk = Buffer.allocUnsafe(chunkBytes);
    let rest: Buffer = Buffer.alloc(0);
    for (let at = this.#next; ; ) {
      const { bytesRead } = await this.#file.read(chunk, 0, chunkBytes, at);
      if (bytesRead === 0) return this.#piece(false);
      at += bytesRead;
      const data = Buffer.concat([rest, chunk.subarray(0, bytesRead)]);
      const begin = this.#next;
      for (let end = data.indexOf(0x0a); end >= 0; end = data.indexOf(0x0a, this.#next - begin)) {
        if (!this.#take(data.toString('utf8', this.#next - begin, end))) return this.#piece(true);
        this.#next = begin + end + 1;
      }
      rest = data.subarray(this.#next - begin);
      if (at - this.#wanted.from >= mostScannedBytes) return this.#piece(true);
    }
  }

  #piece(more: boolean): Piece {
    return { lines: this.#lines, next: this.#next, more };
  }

  /** Takes a line in if it is wanted; false if there is no room for it. */
  #take(text: string): boolean {
    const event = parsed(text);
    if (event === undefined || !isWanted(event, this.#wanted)) return true;
    const line = Buffer.byteLength(text) > longestLineBytes ? shortened(event) : text;
    const bytes = this.#bytes + Buffer.byteLength(line);
    if (this.#lines.length >= this.#wanted.limit) return false;
    if (this.#lines.length > 0 && bytes > mostPieceBytes) return false;
    this.#lines.push(line);
    this.#bytes = bytes;
    return true;
  }
}

/** A run's end may name a thousand failures, which have a list of their own. */
function shortened(event: Readonly<Record<string, unknown>>): string {
  const { time } = event;
  if (event.event === 'run') {
    const { event: name, ...report } = event as unknown as RunEnd;
    return jsonLine({ event: name, ...cutReport(report) });
  }
  const message = 'a line that is too long for this list is in the log file alone';
  return jsonLine({ event: 'notice', time, level: 'info', message });
}

function parsed(line: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null
      ? (value as Readonly<Record<string, unknown>>)
      : undefined;
  } catch {
    return undefined;
  }
}
