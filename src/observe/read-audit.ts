/** Reads audit.log and its older files, newest line first. A place in it is a file and an offset there, which stay when the files are renamed. */
import { createHash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { auditLogFile } from '../state/layout.js';
import { type AuditEntry, auditFilesKept } from './audit-log.js';

/** Where the next line is read: the one that ends at the offset. */
export interface AuditPlace {
  /** The file: its inode, which another one may get later, and a hash of its first line. */
  readonly file: string;
  readonly offset: number;
}

export interface AuditLine extends AuditEntry {
  /** ISO 8601, UTC. */
  readonly time: string;
}

export interface AuditPage {
  readonly lines: readonly AuditLine[];
  /** Where the next page begins; absent: there is no more. */
  readonly next?: AuditPlace;
}

/** Bytes of a line; of a longer first one these tell files apart. */
const longestLine = 2048;
/** Bytes read at a time. */
const blockBytes = 64 * 1024;
/** Bytes looked at for one page; where few lines pass, a page may be short and the list go on. */
const mostBytes = 8 * 1024 * 1024;

/**
 * The newest lines that pass, from a place on. `isPast`: all older lines are, too, so that reading ends.
 * A line that is torn, or that this version can't read, is passed over. Errors: the system's.
 */
export async function readAudit(
  state: string,
  wanted: {
    readonly limit: number;
    readonly from?: AuditPlace | undefined;
    readonly passes: (line: AuditLine) => boolean;
    readonly isPast: (line: AuditLine) => boolean;
  },
): Promise<AuditPage> {
  const lines: AuditLine[] = [];
  let looked = 0;
  const files = await openFiles(state);
  try {
    const begin = files.findIndex(({ id }) => id === wanted.from?.file);
    // The file of the place was rotated away: there is nothing older.
    if (wanted.from !== undefined && begin < 0) return { lines };
    for (const file of files.slice(Math.max(0, begin))) {
      const end = file.id === wanted.from?.file ? wanted.from.offset : file.size;
      for await (const { text, offset } of linesBack(file.handle, end)) {
        const line = readLine(text);
        if (line !== undefined && wanted.isPast(line)) return { lines };
        const isFull = lines.length >= wanted.limit || looked > mostBytes;
        if (isFull) return { lines, next: { file: file.id, offset } };
        looked += text.length + 1;
        if (line !== undefined && wanted.passes(line)) lines.push(line);
      }
    }
    return { lines };
  } finally {
    await Promise.all(files.map(({ handle }) => handle.close()));
  }
}

interface OpenFile {
  readonly handle: FileHandle;
  readonly id: string;
  readonly size: number;
}

/** The files that there are, the newest first. One that is renamed meanwhile is there once. */
async function openFiles(state: string): Promise<OpenFile[]> {
  const path = auditLogFile(state);
  const found: OpenFile[] = [];
  for (let n = 0; n <= auditFilesKept; n++) {
    const handle = await open(n === 0 ? path : `${path}.${n}`, 'r').catch((error) => {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    });
    if (handle === undefined) continue;
    const { ino, size } = await handle.stat();
    const id = `${ino}-${await firstLineOf(handle)}`;
    if (found.some((file) => file.id === id)) await handle.close();
    else found.push({ handle, id, size });
  }
  return found;
}

async function firstLineOf(handle: FileHandle): Promise<string> {
  const buffer = Buffer.alloc(longestLine);
  const { bytesRead } = await handle.read(buffer, 0, longestLine, 0);
  const end = buffer.subarray(0, bytesRead).indexOf(0x0a);
  return createHash('sha256')
    .update(buffer.subarray(0, end < 0 ? bytesRead : end))
    .digest('hex')
    .slice(0, 16);
}

/** The lines before an offset, the last first, each with the offset after its end. What follows the last line end is still being written. */
async function* linesBack(
  handle: FileHandle,
  end: number,
): AsyncGenerator<{ readonly text: string; readonly offset: number }> {
  const buffer = Buffer.alloc(blockBytes);
  let rest = Buffer.alloc(0);
  let isLast = true;
  let at = end;
  while (at > 0) {
    const length = Math.min(blockBytes, at);
    const { bytesRead } = await handle.read(buffer, 0, length, at - length);
    if (bytesRead < length) return;
    at -= length;
    let block = Buffer.concat([buffer.subarray(0, length), rest]);
    for (let from = block.lastIndexOf(0x0a); from >= 0; from = block.lastIndexOf(0x0a)) {
      const text = block.subarray(from + 1).toString('utf8');
      const offset = at + block.length + 1;
      block = block.subarray(0, from);
      if (!isLast && text !== '') yield { text, offset };
      isLast = false;
    }
    rest = block;
  }
  if (!isLast && rest.length > 0) yield { text: rest.toString('utf8'), offset: rest.length + 1 };
}

function readLine(text: string): AuditLine | undefined {
  try {
    const line = JSON.parse(text);
    const texts = [line?.time, line?.by, line?.via, line?.action, line?.result];
    return texts.every((one) => typeof one === 'string') ? line : undefined;
  } catch {
    return undefined;
  }
}
