/** Reads the log of a run, from its beginning, and on while it grows. */
import { mkdirSync, watch } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { FerryError } from '../core/errors.js';
import type { RunEnd } from '../core/events.js';
import { runLogPath } from './run-log-files.js';

export interface ReadOptions {
  /** Whether to wait for what is yet to come, also for the log itself, until the run has ended. */
  readonly follow?: boolean;
  /** Ends the reading, quietly. */
  readonly signal?: AbortSignal;
  /** Whether the run ends with this event; if absent, it does. A run that gets another attempt does not. */
  readonly isLast?: (end: RunEnd) => boolean;
  /** Milliseconds after which a growing log is looked at though nothing told of a change; 2000 if absent. */
  readonly poll?: number;
}

const chunk = 64 * 1024;

/**
 * Yields the lines of a run's log, each a JSON object; what a crash left of a line is passed over.
 * With `follow` it ends with the `run` event, when the log is removed, or with the signal.
 * FerryError `config` for what is no run id and, without `follow`, for a run that has no log.
 */
export async function* readRunLog(
  state: string,
  run: string,
  options: ReadOptions = {},
): AsyncGenerator<string, void, undefined> {
  const { follow = false, signal, isLast = () => true, poll = 2000 } = options;
  const path = runLogPath(state, run);
  const changes = follow ? watchChanges(path, poll, signal) : undefined;
  const lines = new Lines();
  let file: FileHandle | undefined;
  try {
    for (;;) {
      file ??= await openIfThere(path);
      if (file === undefined && !follow)
        throw new FerryError('config', `there is no log of run ${run}`, {
          hint: '`ferryline runs` lists the runs; a log is where the worker was that carried the run out, and as long as the report',
        });
      let ended = false;
      for (let data = await next(file); data.length > 0; data = await next(file)) {
        for (const line of lines.add(data)) {
          const event = parsed(line);
          if (event === undefined) continue;
          ended = event.event === 'run' && isLast(event as RunEnd);
          yield line;
          if (signal?.aborted) return;
        }
      }
      if (changes === undefined || ended || signal?.aborted) return;
      if (file !== undefined && (await file.stat()).nlink === 0) return;
      await changes.wait();
    }
  } finally {
    changes?.close();
    await file?.close();
  }
}

/** The next bytes of a file, none at its end. */
async function next(file: FileHandle | undefined): Promise<Buffer> {
  if (file === undefined) return Buffer.alloc(0);
  const { buffer, bytesRead } = await file.read(Buffer.allocUnsafe(chunk), 0, chunk, null);
  return buffer.subarray(0, bytesRead);
}

async function openIfThere(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, 'r');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return undefined;
    throw new FerryError('io', `the log can't be read: ${message}`, { path, cause: error });
  }
}

function parsed(line: string): { readonly event?: unknown } | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Cuts bytes into whole lines, wherever the chunks end. */
class Lines {
  #rest: Buffer = Buffer.alloc(0);

  add(data: Buffer): string[] {
    const all = this.#rest.length === 0 ? data : Buffer.concat([this.#rest, data]);
    const end = all.lastIndexOf(0x0a) + 1;
    this.#rest = all.subarray(end);
    return end === 0 ? [] : all.toString('utf8', 0, end - 1).split('\n');
  }
}

interface Changes {
  /** Resolves at a change since the last call, after `poll` milliseconds, or with the signal. */
  wait(): Promise<void>;
  close(): void;
}

/** Watches the folder, since the file may not be there yet. Where the system has no watches left, the poll is enough. */
function watchChanges(path: string, poll: number, signal: AbortSignal | undefined): Changes {
  const [folder, name] = [dirname(path), basename(path)];
  let seen = false;
  let wake = () => {};
  const onChange = () => {
    seen = true;
    wake();
  };
  const watcher = tried(() => {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    return watch(folder, { persistent: false }, (_, changed) => {
      if (changed === null || changed === name) onChange();
    });
  });
  watcher?.on('error', () => {});
  signal?.addEventListener('abort', onChange);
  return {
    async wait() {
      if (!seen) {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, poll);
          wake = () => {
            clearTimeout(timer);
            resolve();
          };
        });
      }
      seen = false;
    },
    close() {
      watcher?.close();
      signal?.removeEventListener('abort', onChange);
    },
  };
}

function tried<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}
