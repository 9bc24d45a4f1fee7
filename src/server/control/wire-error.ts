/** Errors as JSON of the control API, both ways. Pure. */
import { asFerryError, type ErrorKind, exitCodes, FerryError } from '../../core/errors.js';
import { present } from '../../core/present.js';
import { unknownName } from './controls.js';

/** `{error: …}`: the body of every error response, and the last line of a log that was cut off. */
export interface WireError {
  readonly error: {
    readonly kind: ErrorKind;
    readonly message: string;
    readonly hint?: string;
    readonly path?: string;
    readonly code?: string;
  };
}

/** The HTTP status of each kind; an unknown name is a 404. */
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
} as const satisfies Readonly<Record<ErrorKind, number>>;

export function toWire(thrown: unknown): WireError {
  const { kind, message, hint, path, code } = asFerryError(thrown);
  return { error: { kind, message, ...present({ hint, path, code }) } };
}

export function statusOf({ error }: WireError): 404 | (typeof statuses)[ErrorKind] {
  return error.code === unknownName ? 404 : statuses[error.kind];
}

/** The error in a response's body; undefined if there is none. A kind that this version does not know becomes `defect`. */
export function fromWire(body: unknown): FerryError | undefined {
  const { error } = (typeof body === 'object' && body !== null ? body : {}) as Partial<WireError>;
  if (typeof error !== 'object' || error === null || typeof error.message !== 'string') {
    return undefined;
  }
  const { message, hint, path, code } = error;
  const kind = error.kind in exitCodes ? error.kind : 'defect';
  return new FerryError(kind, message, present({ hint, path, code }));
}
