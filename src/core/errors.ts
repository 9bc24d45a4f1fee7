/**
 * Errors are for people: what, where, why, what next. Their kind is data; the exit code and
 * whether another try can help follow from it, here and nowhere else.
 */

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

export interface ErrorPlace {
  /** Relative path of the entry, unescaped; whoever prints it escapes it. */
  readonly path?: string;
  /** What to do next, one sentence. */
  readonly hint?: string;
  /** The system's or server's own word for it: ENOENT, EACCES, ENOSPC … */
  readonly code?: string;
  readonly cause?: unknown;
}

/** The one error class of ferryline. */
export class FerryError extends Error {
  readonly kind: ErrorKind;
  readonly path: string | undefined;
  readonly hint: string | undefined;
  readonly code: string | undefined;

  constructor(kind: ErrorKind, message: string, place: ErrorPlace = {}) {
    super(message, place.cause === undefined ? undefined : { cause: place.cause });
    this.name = 'FerryError';
    this.kind = kind;
    this.path = place.path;
    this.hint = place.hint;
    this.code = place.code;
  }

  /** The same error with a path, a hint or both filled in where it had none. */
  at(place: ErrorPlace): FerryError {
    const { path = place.path, hint = place.hint, code = place.code } = this;
    return new FerryError(this.kind, this.message, {
      ...(path === undefined ? {} : { path }),
      ...(hint === undefined ? {} : { hint }),
      ...(code === undefined ? {} : { code }),
      cause: this.cause ?? place.cause,
    });
  }
}

/** Any thrown value as a FerryError; what is not one of ours is a defect. */
export function asFerryError(thrown: unknown): FerryError {
  if (thrown instanceof FerryError) return thrown;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new FerryError('defect', message, {
    cause: thrown,
    hint: 'this is a defect of ferryline; please report it with the output of -vv',
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

/** Kinds that end the whole run wherever they happen; the others concern one path. */
export function endsRun(kind: ErrorKind): boolean {
  return !(kind === 'io' || kind === 'changed' || kind === 'conflict');
}

/** Several jobs, one exit code: the first that occurs of this order. */
const precedence = [130, 143, 1, 9, 6, 5, 7, 4, 3, 2, 8];

/** The exit code of a command that ran several jobs. */
export function worstExitCode(codes: readonly number[]): number {
  return precedence.find((code) => codes.includes(code)) ?? codes.find((code) => code !== 0) ?? 0;
}

/** The reason a run's signal carries when a person or a service manager stops it; no failure of its own. */
export class Cancelled extends Error {
  /** 128 + the signal's number: 130 SIGINT, 143 SIGTERM. */
  readonly exitCode: 130 | 143;

  constructor(exitCode: 130 | 143) {
    super('cancelled');
    this.name = 'Cancelled';
    this.exitCode = exitCode;
  }
}
