/**
 * STATE/logs/RUN.ndjson: the events of one run, written while it goes on. Reading them back, also
 * while the file grows, is read-run-log.ts.
 */
import { statSync } from 'node:fs';
import type { RunEvent } from '../core/events.js';
import { jsonLine } from '../core/text.js';
import { LineFile } from './line-file.js';
import { type Redact, redactEvent } from './redact.js';
import { runLogPath } from './run-log-files.js';

export interface RunLogOptions {
  /** The state folder. */
  readonly state: string;
  readonly run: string;
  /** Whether the session transcript is kept as well. */
  readonly debug: boolean;
  readonly redact: Redact;
  /** Called once when the log can't be written, and again only after it could be. */
  readonly onError: (error: Error) => void;
  /** Beyond this size only the run's end is written; 64 MiB if absent. */
  readonly maxBytes?: number;
}

export interface RunLog {
  /** Keeps an event. Never throws. */
  emit(event: RunEvent): void;
  /** Writes the events held back. */
  close(): void;
}

/**
 * Opens the log of a run; a further attempt appends to it. Every event but progress is a line:
 * `event`, `time` (ISO 8601, UTC), then the event's own fields.
 */
export function openRunLog(options: RunLogOptions): RunLog {
  const { state, run, debug, redact, maxBytes = 64 * 1024 * 1024 } = options;
  const path = runLogPath(state, run);
  const line = ({ event, ...fields }: RunEvent) =>
    jsonLine({ event, time: new Date().toISOString(), ...redactEvent(fields, redact) });
  const warning = (message: string) => line({ event: 'notice', level: 'warning', message });
  let bytes = sizeOf(path);
  let full = bytes >= maxBytes;
  const file = new LineFile({
    path,
    lostLine: (lost) => warning(`${lost} lines of this log could not be written`),
    onError: options.onError,
  });
  return {
    emit(event) {
      if (event.event === 'progress' || (event.event === 'transcript' && !debug)) return;
      if (event.event === 'run') return file.write(line(event));
      if (full) return;
      const text = line(event);
      bytes += Buffer.byteLength(text) + 1;
      full = bytes > maxBytes;
      file.write(
        full ? warning(`the log is full at ${maxBytes} bytes; only the run's end follows`) : text,
      );
    },
    close: () => file.close(),
  };
}

function sizeOf(path: string): number {
  try {
    return statSync(path).size;
  } catch {
    return 0;
  }
}
