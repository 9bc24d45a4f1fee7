/**
 * STATE/transfers.log: a line of JSON for every file that a run copied, changed, deleted or failed
 * at, over all jobs. What was passed over is in the run's own log (run-log.ts).
 */
import type { FileEvent } from '../core/events.js';
import { jsonLine } from '../core/text.js';
import { transferLogFile } from '../state/layout.js';
import { openLineFile } from './line-file.js';
import type { Redact } from './redact.js';

export interface TransferLogOptions {
  /** The state folder. */
  readonly state: string;
  readonly redact: Redact;
  /** Told when the log can't be written, once until it can be again. */
  readonly onError: (error: Error) => void;
  /** Bytes of one file; 10 MiB if absent. */
  readonly maxBytes?: number;
  /** Older files kept beside it, as `transfers.log.1` (the newest) and up; 5 if absent. */
  readonly kept?: number;
}

/** Whose files are told of. */
interface TransferOf {
  readonly job: string;
  readonly run: string;
  /** The name of the remote the files go to or come from. */
  readonly remote?: string;
}

export interface TransferLog {
  /** Tells of a file. Never throws. */
  file(of: TransferOf, event: FileEvent): void;
  /** Writes what is held back. */
  close(): void;
}

/**
 * Opens the log. Fields of a line: `time` (ISO 8601, UTC), `job`, `run`, `remote` if there is one,
 * `action`, `outcome` (`done` or `failed`), `path`, then as the event has them `bytes`, `seconds`,
 * `kind`, `message`. A line `{time, lost}` stands where that many could not be written.
 */
export function openTransferLog(options: TransferLogOptions): TransferLog {
  const { redact } = options;
  const file = openLineFile({
    path: transferLogFile(options.state),
    rotate: { maxBytes: options.maxBytes ?? 10 * 1024 * 1024, kept: options.kept ?? 5 },
    lostLine: (lost) => jsonLine({ time: new Date().toISOString(), lost }),
    onError: options.onError,
  });
  return {
    file({ job, run, remote }, { action, path, bytes, seconds, kind, message }) {
      if (action === 'skip') return;
      file.write(
        jsonLine({
          time: new Date().toISOString(),
          job,
          run,
          remote,
          action,
          outcome: action === 'fail' ? 'failed' : 'done',
          path: redact(path),
          bytes,
          seconds,
          kind,
          message: message === undefined ? undefined : redact(message),
        }),
      );
    },
    close: file.close,
  };
}
