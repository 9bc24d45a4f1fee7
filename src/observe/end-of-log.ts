/** The last lines of a run's log: what is left of it where its worker is gone. */
import { open } from 'node:fs/promises';
import { runLogPath } from './run-log-files.js';

const keptBytes = 16 * 1024;
/** A run's own end may name a thousand failures in half a MiB; it is left out, since its report says the same. */
const readBytes = 1024 * 1024;

/** At most 16 KiB of whole lines; none where there is no log. Errors: the system's. */
export async function endOfLog(state: string, run: string): Promise<string[]> {
  const kept: string[] = [];
  let left = keptBytes;
  for (const line of (await lastLines(runLogPath(state, run))).reverse()) {
    if (line === '' || line.startsWith('{"event":"run"')) continue;
    left -= Buffer.byteLength(line) + 1;
    if (left < 0) break;
    kept.push(line);
  }
  return kept.reverse();
}

async function lastLines(path: string): Promise<string[]> {
  const file = await open(path, 'r').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (file === undefined) return [];
  try {
    const { size } = await file.stat();
    const from = Math.max(0, size - readBytes);
    const buffer = Buffer.alloc(size - from);
    const { bytesRead } = await file.read(buffer, 0, buffer.length, from);
    const lines = buffer.toString('utf8', 0, bytesRead).split('\n');
    // The first one may be a part of one.
    return from === 0 ? lines : lines.slice(1);
  } finally {
    await file.close();
  }
}
