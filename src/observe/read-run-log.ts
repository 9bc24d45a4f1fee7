/** Reads the log of a run from its beginning and, on request, follows it while it grows. */
import { mkdirSync, watch } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { FerryError } from '../core/errors.js';
import type { RunEnd } from '../core/events.js';
import { openIfThere } from './open-log.js';
import { runLogPath } from './run-log-files.js';

export interface ReadOptions {
  /** Whether to wait for further lines, also for the log itself, until the run has ended. */
  readonly follow?: boolean;
  /** Ends the reading without an error. */
  readonly signal?: AbortSignal;
  /** Whether the run ends with this event: it does not if another attempt follows. If absent, it does. */
  readonly isLast?: (end: RunEnd) => boolean;
  /** A growing log is read again after this time even without a notification of a change; 2000 if absent. */
  readonly pollMs?: number;
}

const chunkBytes = 64 * 1024;

/**
 * Yields the lines of a run's log, each a JSON object; a line cut off by a crash is skipped.
 * With `follow` it ends with the `run` event, when the log is removed, or with the signal.
 * FerryError `config` for text that is no run id and, without `follow`, for a run that has no log.
 */
export async function* readRunLog(
  state: string,
  run: string,
  options: ReadOptions = {},
): AsyncGenerator<string, void, undefined> {
  const { follow = false, signal, isLast = () => true, pollMs = 2000 } = options;
  const path = runLogPath(state, run);
  const changes = follow ? watchChanges(path, pollMs, signal) : undefined;
  const lines = new LineSplitter();
  let file: FileHandle | undefined;
  try {
    for (;;) {
      file ??= await openIfThere(path);
      if (file === undefined && !follow)
        throw new FerryError('config', `there is no log of run ${run}`, {
          hint: '`ferryline runs` lists the runs; a log is kept by the worker that carried the run out, for as long as the report',
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
  const { buffer, bytesRead } = await file.read(
    Buffer.allocUnsafe(chunkBytes),
    0,
    chunkBytes,
    null,
  );
  return buffer.subarray(0, bytesRead);
}

function parsed(line: string): { readonly event?: unknown } | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Splits bytes into whole lines, wherever the chunks end. */
class LineSplitter {
  #rest: Buffer = Buffer.alloc(0);

  add(data: Buffer): string[] {
    const all = this.#rest.length === 0 ? data : Buffer.concat([this.#rest, data]);
    const end = all.lastIndexOf(0x0a) + 1;
    this.#rest = all.subarray(end);
    return end === 0 ? [] : all.toString('utf8', 0, end - 1).split('\n');
  }
}

interface ChangeWatch {
  /** Resolves at a change since the last call, after `pollMs`, or with the signal. */
  wait(): Promise<void>;
  close(): void;
}

/** Watches the folder, since the file may not exist yet. If the system has no watches left, polling is enough. */
function watchChanges(path: string, pollMs: number, signal?: AbortSignal): ChangeWatch {
  const [folder, name] = [dirname(path), basename(path)];
  let changed = false;
  let wake = () => {};
  const onChange = () => {
    changed = true;
    wake();
  };
  const watcher = unlessItFails(() => {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    return watch(folder, { persistent: false }, (_, file) => {
      if (file === null || file === name) onChange();
    });
  });
  watcher?.on('error', () => {});
  signal?.addEventListener('abort', onChange);
  return {
    async wait() {
      if (!changed) {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, pollMs);
          wake = () => {
            clearTimeout(timer);
            resolve();
          };
        });
      }
      changed = false;
    },
    close() {
      watcher?.close();
      signal?.removeEventListener('abort', onChange);
    },
  };
}

function unlessItFails<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}
