/** STATE/audit.log: a line of JSON for each action that somebody asked of the daemon. */
import { jsonLine } from '../core/text.js';
import { auditLogFile } from '../state/layout.js';
import { LineFile } from './line-file.js';

const maxBytes = 10 * 1024 * 1024;
const kept = 5;

/** What a line has beside `time` (ISO 8601, UTC). Names only, never a token. */
interface AuditEntry {
  readonly by: string;
  readonly via: 'socket' | 'http';
  readonly address?: string;
  readonly action: string;
  /** The job, remote or run that it is about. */
  readonly target?: string;
  /** `asked`, then `done`, `joined`, or the kind of the error. */
  readonly result: string;
  readonly run?: string;
}

export interface AuditLog {
  /** Throws the system's error when the line can't be written. */
  write(entry: AuditEntry): void;
  close(): void;
}

export function openAuditLog(state: string): AuditLog {
  const file = new LineFile({
    path: auditLogFile(state),
    rotate: { maxBytes, kept },
    lostLine: (lost) => jsonLine({ time: new Date().toISOString(), lost }),
    onError: () => {},
  });
  return {
    write: (entry) => file.writeNow(jsonLine({ time: new Date().toISOString(), ...entry })),
    close: () => file.close(),
  };
}
