/** STATE/audit.log: a line of JSON for each action that somebody asked of the daemon, and for refused logins. Reading it is read-audit.ts. */
import { jsonLine } from '../core/text.js';
import { auditLogFile } from '../state/layout.js';
import { LineFile } from './line-file.js';

const maxBytes = 10 * 1024 * 1024;
/** Older files that are kept. */
export const auditFilesKept = 5;

/** What a line has beside `time` (ISO 8601, UTC). Names only, never a token. */
export interface AuditEntry {
  /** The name of a token, `cli`, or `unknown`. */
  readonly by: string;
  readonly via: 'socket' | 'http';
  readonly address?: string;
  readonly action: string;
  /** The job, remote or run that it is about. */
  readonly target?: string;
  /** `asked`, then `done`, `joined`, or the kind of the error. */
  readonly result: string;
  readonly run?: string;
  /** Of refused logins: how many more there were within the second before. */
  readonly more?: number;
}

export interface AuditLog {
  /** Throws the system's error when the line can't be written. */
  write(entry: AuditEntry): void;
  /** Why lines can't be written now; undefined: they can, and a line says how many are missing. */
  trouble(): string | undefined;
  close(): void;
}

/** `limits`: for tests. */
export function openAuditLog(state: string, limits = { maxBytes }): AuditLog {
  let trouble: string | undefined;
  /** Lines that could not be written, and no line says so yet. */
  let lost = 0;
  const file = new LineFile({
    path: auditLogFile(state),
    rotate: { ...limits, kept: auditFilesKept },
    lostLine: (lost) => jsonLine({ time: new Date().toISOString(), lost }),
    onError: () => {},
  });
  const writeLost = () => {
    if (lost === 0) return;
    file.writeNow(jsonLine({ time: new Date().toISOString(), lost }));
    lost = 0;
  };
  return {
    write(entry) {
      try {
        writeLost();
        file.writeNow(jsonLine({ time: new Date().toISOString(), ...entry }));
        trouble = undefined;
      } catch (error) {
        lost++;
        trouble = (error as Error).message;
        throw error;
      }
    },
    trouble() {
      try {
        writeLost();
        trouble = undefined;
      } catch (error) {
        trouble = (error as Error).message;
      }
      return trouble;
    },
    close: () => file.close(),
  };
}
