/** The events of a check, which reads both sides of a job and changes nothing. */
import type { FailureEnd, FileEvent, Progress } from './events.js';

/** One path that is not the same on both sides. */
export interface DifferenceEvent {
  readonly event: 'difference';
  readonly job: string;
  /** In a job with several targets: which one. */
  readonly target?: string;
  readonly path: string;
  /** `missing` at the destination; `extra` at the destination of a mirror; `conflict`: it can't be the same on both sides, such as a file where the other side has a folder. */
  readonly kind: 'missing' | 'extra' | 'size' | 'content' | 'conflict';
  readonly message: string;
}

/** Which files a check reads; the others are compared by size alone. */
export interface Sample {
  /** Of all files, from 0 to 100. */
  readonly percent: number;
  /** The same seed chooses the same paths. */
  readonly seed: string;
}

/** The result of checking one target; paths that differ are in `different`, `missing` or `extra`, each in one. */
export interface CheckReport {
  readonly job: string;
  /** In a job with several targets, each of which is checked by itself: which one. */
  readonly target?: string;
  readonly from: string;
  readonly to: string;
  readonly exitCode: number;
  /** ISO 8601, UTC. */
  readonly startedAt: string;
  readonly endedAt: string;
  readonly seconds: number;
  /** Absent: every file was read. */
  readonly sample?: Sample;
  /** Files of the source in scope; links too, where they are preserved. */
  readonly files: number;
  /** Files of which both sides were read, and the bytes of one side found equal. */
  readonly read: number;
  readonly bytes: number;
  readonly equal: number;
  readonly different: number;
  readonly missing: number;
  readonly extra: number;
  readonly unreadable: number;
  readonly skipped: number;
  /** Source files that were removed after they were listed. */
  readonly vanished: number;
  /** SSH logins. */
  readonly sessions: number;
  /** What ended the check early. */
  readonly error?: FailureEnd;
}

interface CheckEnd extends CheckReport {
  readonly event: 'check';
}

export type CheckEvent = DifferenceEvent | FileEvent | Progress | CheckEnd;
