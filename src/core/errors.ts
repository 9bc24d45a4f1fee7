/**
 * Errors for people: what, where, why, what next. The kind is data: the exit code and whether the
 * whole run ends follow from it, here and nowhere else.
 */
import { present } from './present.js';

export type ErrorKind =
  | 'config'
  | 'io'
  | 'changed'
  | 'conflict'
  | 'timeout'
  | 'network'
  | 'auth'
  | 'host-key'
  | 'refused'
  | 'busy'
  | 'hostile-peer'
  | 'defect';

export interface ErrorDetails {
  /** Relative path of the entry, unescaped: it is escaped when printed. */
  readonly path?: string;
  /** What to do next, one sentence. */
  readonly hint?: string;
  /** The error code of the system or server: ENOENT, EACCES, ENOSPC … */
  readonly code?: string;
  readonly cause?: unknown;
}

/** The one error class of ferryline. */
export class FerryError extends Error {
  readonly kind: ErrorKind;
  readonly path: string | undefined;
  readonly hint: string | undefined;
  readonly code: string | undefined;

  constructor(kind: ErrorKind, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'FerryError';
    this.kind = kind;
    this.path = details.path;
    this.hint = details.hint;
    this.code = details.code;
  }

  /** The same error, with the path, hint and code filled in where it has none. */
  at(details: ErrorDetails): FerryError {
    const { path = details.path, hint = details.hint, code = details.code } = this;
    const cause = this.cause ?? details.cause;
    return new FerryError(this.kind, this.message, present({ path, hint, code, cause }));
  }
}

/** Any thrown value as a FerryError; one that is not a FerryError is a defect. */
export function asFerryError(thrown: unknown): FerryError {
  if (thrown instanceof FerryError) return thrown;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  const { code } = (thrown ?? {}) as { readonly code?: unknown };
  // reached while code is loaded, too
  if (code === 'EMFILE' || code === 'ENFILE')
    return new FerryError('io', `too many open files: ${message}`, {
      code,
      cause: thrown,
      hint: 'raise the limit of open files: `ulimit -n 1024`, or LimitNOFILE= of the service',
    });
  return new FerryError('defect', message, {
    cause: thrown,
    hint: 'this is a bug in ferryline; please report it with the output of -vv',
  });
}

export const exitCodes: Readonly<Record<ErrorKind, number>> = {
  defect: 1,
  config: 2,
  io: 3,
  changed: 3,
  conflict: 3,
  timeout: 3,
  network: 4,
  auth: 5,
  'host-key': 6,
  refused: 7,
  busy: 8,
  'hostile-peer': 9,
};

/** Whether an error of this kind ends the whole run; the others concern one path. */
export function endsRun(kind: ErrorKind): boolean {
  return !(kind === 'io' || kind === 'changed' || kind === 'conflict');
}

/** The exit code of several jobs is the first of these that any of them had. */
const precedence = [130, 143, 1, 9, 6, 5, 7, 4, 3, 2, 8, 10];

/** The exit code of a command that ran several jobs. */
export function worstExitCode(codes: readonly number[]): number {
  return precedence.find((code) => codes.includes(code)) ?? codes.find((code) => code !== 0) ?? 0;
}

/** The abort reason of a run that a person or a service manager stopped; not an error of the run. */
export class Cancelled extends Error {
  /** 128 + the signal's number: 130 SIGINT, 143 SIGTERM. */
  readonly exitCode: 130 | 143;
  /** Why, where nobody cancelled this run itself. */
  readonly why: FerryError | undefined;

  constructor(exitCode: 130 | 143, why?: FerryError) {
    super(why?.message ?? 'cancelled');
    this.name = 'Cancelled';
    this.exitCode = exitCode;
    this.why = why;
  }
}
