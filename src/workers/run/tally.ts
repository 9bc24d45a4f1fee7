/** Counts what a run has done, keeps its failures, and emits an event for each path. */
import { asFerryError, type FerryError } from '../../core/errors.js';
import {
  type Emit,
  type Failure,
  type FileEvent,
  failuresListed,
  type NotGuaranteed,
  type Report,
} from '../../core/events.js';

const strength = { none: 0, size: 1, checksum: 2 } as const;

interface TalliedCopy {
  readonly bytes: number;
  readonly verified: Report['verified'];
  /** Whether the file grew while it was read (`live`). */
  readonly grew?: boolean;
}

export class Tally {
  copied = 0;
  attrs = 0;
  renamed = 0;
  deleted = 0;
  unchanged = 0;
  skipped = 0;
  vanished = 0;
  /** Source files that `after` leaves to a later run, since a change in the second of their reading would not show. */
  held = 0;
  failed = 0;
  /** Bytes of the files copied. */
  bytes = 0;
  verified: Report['verified'] | undefined;
  readonly failures: Failure[] = [];
  readonly notGuaranteed = new Set<NotGuaranteed>();
  readonly #emit: Emit;
  readonly #failedPaths = new Set<string>();

  constructor(emit: Emit) {
    this.#emit = emit;
  }

  /** Emits an event about one path. */
  file(action: FileEvent['action'], path: string, more: Partial<FileEvent> = {}): void {
    this.#emit({ event: 'file', action, path, ...more });
  }

  /** Records a copied file. `began` is when its copying began, by `performance.now()`. */
  copy(path: string, { bytes, verified, grew = false }: TalliedCopy, began: number): void {
    this.copied++;
    this.bytes += bytes;
    if (this.verified === undefined || strength[verified] < strength[this.verified])
      this.verified = verified;
    if (grew) this.notGuaranteed.add('live');
    const seconds = Math.round(performance.now() - began) / 1000;
    const message = 'as of when it was opened; it grew while it was read';
    this.file('copy', path, { bytes, seconds, ...(grew ? { message } : {}) });
  }

  /** Records a source file that was removed after it was listed. */
  vanish(path: string): void {
    this.vanished++;
    this.file('vanished', path);
  }

  skip(path: string, kind: string, message: string): void {
    this.skipped++;
    this.file('skip', path, { kind, message });
  }

  /** Records why a path could not be done; it counts once, with the first reason. */
  fail(failure: Failure): void {
    if (this.#failedPaths.has(failure.path)) return;
    this.#failedPaths.add(failure.path);
    this.failed++;
    if (this.failures.length < failuresListed) this.failures.push(failure);
    this.file('fail', failure.path, { kind: failure.kind, message: failure.message });
  }

  /** Records an error of one path. */
  failWith(path: string, thrown: unknown): FerryError {
    const error = asFerryError(thrown);
    const message = error.hint === undefined ? error.message : `${error.message}; ${error.hint}`;
    this.fail({ path, kind: error.kind, message });
    return error;
  }
}
