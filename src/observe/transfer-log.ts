/**
 * STATE/transfers.log: a line of JSON for every file that a run of any job copied, changed or deleted,
 * or failed to. Files that were skipped or had vanished are in the run's own log (run-log.ts).
 */
import type { FileEvent } from '../core/events.js';
import { jsonLine } from '../core/text.js';
import { transferLogFile } from '../state/layout.js';
import { LineFile } from './line-file.js';
import type { Redact } from './redact.js';

export interface TransferLogOptions {
  /** The state folder. */
  readonly state: string;
  readonly redact: Redact;
  /** Called once when the log can't be written, and again only after it could be. */
  readonly onError: (error: Error) => void;
  /** Largest size of one file; 10 MiB if absent. */
  readonly maxBytes?: number;
  /** Older files kept, as `transfers.log.1` (the newest) and up; 5 if absent. */
  readonly kept?: number;
}

/** The run that a file's event is from. */
export interface TransferSource {
  readonly job: string;
  readonly run: string;
  /** The name of the remote the files go to or come from. */
  readonly remote?: string;
  /** Which one, where the job has several. */
  readonly target?: string;
}

export interface TransferLog {
  /** Appends the line of a file. Never throws. */
  file(source: TransferSource, event: FileEvent): void;
  /** Writes the lines held back. */
  close(): void;
}

/**
 * Opens the log. Fields of a line: `time` (ISO 8601, UTC), `job`, `run`, `remote` and `target` if there is one,
 * `action`, `outcome` (`done` or `failed`), `path`, then, if the event has them, `from`, `bytes`, `seconds`,
 * `kind`, `message`. A line `{time, lost}` marks the place of lines that could not be written.
 */
export function openTransferLog(options: TransferLogOptions): TransferLog {
  const { redact } = options;
  const file = new LineFile({
    path: transferLogFile(options.state),
    rotate: { maxBytes: options.maxBytes ?? 10 * 1024 * 1024, kept: options.kept ?? 5 },
    lostLine: (lost) => jsonLine({ time: new Date().toISOString(), lost }),
    onError: options.onError,
  });
  return {
    file({ job, run, remote, target }, { action, path, from, bytes, seconds, kind, message }) {
      if (action === 'skip' || action === 'vanished') return;
      file.write(
        jsonLine({
          time: new Date().toISOString(),
          job,
          run,
          remote,
          target,
          action,
          outcome: action === 'fail' ? 'failed' : 'done',
          path: redact(path),
          from: from === undefined ? undefined : redact(from),
          bytes,
          seconds,
          kind,
          message: message === undefined ? undefined : redact(message),
        }),
      );
    },
    close: () => file.close(),
  };
}
