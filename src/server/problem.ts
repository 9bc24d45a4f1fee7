/**
 * Errors as JSON of the API, both ways: problem+json (RFC 9457), on the socket too. Its `kind` is that
 * of a FerryError, or one that only HTTP has. Pure.
 */
import { asFerryError, type ErrorKind, exitCodes, FerryError } from '../core/errors.js';
import { present } from '../core/present.js';
import { unknownName } from './control/controls.js';

/** Why a request was refused before, or beside, what it asks for. */
const refusals = {
  unknown: 404,
  token: 401,
  role: 403,
  host: 403,
  origin: 403,
  method: 405,
  length: 411,
  'too-large': 413,
  'media-type': 415,
  'too-many': 429,
} as const;

export type RefusalKind = keyof typeof refusals;

/** The HTTP status of each kind. */
const statuses = {
  config: 400,
  refused: 409,
  busy: 409,
  changed: 409,
  conflict: 409,
  defect: 500,
  io: 500,
  auth: 502,
  'host-key': 502,
  'hostile-peer': 502,
  network: 503,
  timeout: 504,
  ...refusals,
} as const satisfies Readonly<Record<ErrorKind | RefusalKind, number>>;

const titles: Readonly<Record<ErrorKind | RefusalKind, string>> = {
  config: 'The request is not valid',
  refused: 'Refused',
  busy: 'Busy',
  changed: 'Something has changed meanwhile',
  conflict: 'A conflict',
  defect: 'A defect in ferryline',
  io: 'Input or output failed',
  auth: 'A login failed',
  'host-key': 'A host key is unknown or changed',
  'hostile-peer': 'A peer breaks its protocol',
  network: 'Something is out of reach',
  timeout: 'It took too long',
  unknown: 'There is no such thing',
  token: 'A token is needed',
  role: 'This token may only read',
  host: 'Another host was asked for',
  origin: 'The request comes from another site',
  method: 'Not a method of this address',
  length: 'The body does not say how long it is',
  'too-large': 'The body is too large',
  'media-type': 'The body is not JSON',
  'too-many': 'Too many requests',
};

/** What is wrong with one value of a request. */
export interface ValueProblem {
  /** `query.limit`. */
  readonly path: string;
  readonly message: string;
  /** What it may be, where that is a list. */
  readonly allowed?: readonly string[];
}

/** The body of every error response; a log that is cut off ends with a line `{"error": …}` of it. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: (typeof statuses)[keyof typeof statuses];
  readonly detail: string;
  readonly kind: ErrorKind | RefusalKind;
  readonly hint?: string;
  /** The path that it is about, relative to its root. */
  readonly path?: string;
  readonly code?: string;
  /** Of a defect: what the daemon's log has it under. */
  readonly id?: string;
  readonly errors?: readonly ValueProblem[];
}

/** Details of a refusal. */
interface RefusalDetails {
  readonly hint?: string;
  readonly errors?: readonly ValueProblem[];
  /** Headers that go with the response. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** A request that HTTP itself has an answer for. */
export class Refusal extends Error {
  readonly kind: RefusalKind | 'config';
  readonly details: RefusalDetails;

  constructor(kind: RefusalKind | 'config', message: string, details: RefusalDetails = {}) {
    super(message);
    this.kind = kind;
    this.details = details;
  }
}

export function problemOf(thrown: unknown): Problem {
  if (thrown instanceof Refusal) {
    const { hint, errors } = thrown.details;
    return problem(thrown.kind, thrown.message, { hint, errors });
  }
  const { kind, message, hint, path, code } = asFerryError(thrown);
  return problem(code === unknownName ? 'unknown' : kind, message, { hint, path, code });
}

function problem(
  kind: ErrorKind | RefusalKind,
  detail: string,
  more: { readonly [K in 'hint' | 'path' | 'code' | 'errors']?: Problem[K] | undefined },
): Problem {
  const type = `urn:ferryline:problem:${kind}`;
  return { type, title: titles[kind], status: statuses[kind], detail, kind, ...present(more) };
}

/** The error in a response's body; undefined if there is none. A kind that this version does not know becomes `defect`. */
export function errorIn(body: unknown): FerryError | undefined {
  const problem = (typeof body === 'object' && body !== null ? body : {}) as Partial<Problem>;
  const { kind, detail, hint, path, code } = problem;
  if (typeof kind !== 'string' || typeof detail !== 'string') return undefined;
  return new FerryError(errorKind(kind), detail, present({ hint, path, code }));
}

function errorKind(kind: string): ErrorKind {
  if (kind in exitCodes) return kind as ErrorKind;
  return kind in refusals ? 'config' : 'defect';
}

/** Why a request ended: the reason it was aborted for, or else what was thrown. */
export function reasonOf(thrown: unknown, signal: AbortSignal): FerryError {
  return asFerryError(signal.aborted ? signal.reason : thrown);
}
