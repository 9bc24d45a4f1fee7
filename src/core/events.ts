/**
 * The events of a run and its report. One function receives all events; `--json` prints the first
 * four kinds, the others are shown to people who watch.
 */
import type { ErrorKind } from './errors.js';

export type Operation = 'push' | 'pull' | 'mirror';
export type Trigger = 'schedule' | 'watch' | 'manual' | 'catch-up' | 'rescan';
export type Outcome = 'succeeded' | 'incomplete' | 'failed' | 'refused' | 'cancelled';

/** Part of an event of a job with several targets: the one it concerns. */
interface OfTarget {
  readonly target?: string;
}

/** Without `target`, where a job has several: all of them together. */
export interface PlanEvent extends OfTarget {
  readonly event: 'plan';
  readonly job: string;
  readonly mkdirs: number;
  readonly copies: number;
  readonly attrs: number;
  readonly renames: number;
  readonly deletes: number;
  readonly conflicts: number;
  /** Bytes the copies would move. */
  readonly bytes: number;
  /** Copies of files that differ from the destination's in mtime alone. */
  readonly mtimeOnly: number;
  readonly digest: string;
}

/** One line of a printed plan. */
export interface ActionEvent extends OfTarget {
  readonly event: 'action';
  readonly action:
    | 'mkdir'
    | 'copy'
    | 'attrs'
    | 'rename'
    | 'delete'
    | 'conflict'
    | 'skip'
    | 'vanished'
    | 'fail';
  readonly path: string;
  /** With `rename`: the path it has. */
  readonly from?: string;
  readonly bytes?: number;
  readonly kind?: string;
  /** Why: `new`, `size`, `newer`, `older`, `content`, or the conflict in words. */
  readonly reason?: string;
}

export interface FileEvent extends OfTarget {
  readonly event: 'file';
  readonly action: 'copy' | 'attrs' | 'rename' | 'delete' | 'mkdir' | 'skip' | 'vanished' | 'fail';
  readonly path: string;
  /** With `rename`: the path it had. */
  readonly from?: string;
  readonly bytes?: number;
  /** With `copy`: from the first attempt until the file had its final name, to the millisecond. */
  readonly seconds?: number;
  /** With `fail`: the error's kind. With `skip`: what was skipped (`link`, `special` …). */
  readonly kind?: string;
  readonly message?: string;
}

export interface Failure extends OfTarget {
  readonly path: string;
  readonly kind: ErrorKind;
  readonly message: string;
}

/** The error that ended a run or a check. */
export interface FailureEnd {
  readonly kind: ErrorKind;
  readonly message: string;
  readonly hint?: string;
  readonly path?: string;
}

/**
 * What a run that succeeded could not guarantee. `live`: of a file that grew while it was read, all that it
 * held when it was opened was taken, and no more. `skip`: a file that arrived at the destination between
 * the last look and the rename may have been replaced, although the job says `existing: skip`.
 * `confinement`: nothing could show that a side's paths lie below its root, since the server has no REALPATH or
 * this machine no /proc.
 */
export type NotGuaranteed = 'confinement' | 'live' | 'skip';

/** The commands of a job around its runs. */
export type HookName = 'before' | 'success' | 'failure' | 'always';

/** A hook that a run has carried out. */
export interface HookEnd {
  readonly hook: HookName;
  readonly seconds: number;
  /** Why it failed. */
  readonly error?: string;
}

/** How one target of a run ended. */
export interface TargetEnd
  extends Pick<
    Report,
    | 'outcome'
    | 'exitCode'
    | 'stoppedBy'
    | 'seconds'
    | 'files'
    | 'bytes'
    | 'verified'
    | 'notGuaranteed'
    | 'error'
    | 'failures'
    | 'failuresOmitted'
  > {
  /** `web1:www`. */
  readonly target: string;
}

/** The result of a run. Kept in the state folder and printed as the last `--json` line. */
export interface Report {
  readonly run: string;
  readonly job: string;
  /** What the job is for, as jobs.yml describes it. */
  readonly description?: string;
  readonly operation: Operation;
  /** The sides as they were typed, of a run without jobs.yml. */
  readonly from?: string;
  readonly to?: string;
  readonly trigger: Trigger;
  /** Who asked for it: `cli`, or the name of a token of the API. Absent: a slot, a watch, or `ferryline run`. */
  readonly by?: string;
  /** It printed a plan and changed nothing. */
  readonly dryRun?: true;
  /** The refused run whose plan it carried out, since somebody approved it. */
  readonly approves?: string;
  /** The slot it was started for, ISO 8601, UTC. */
  readonly slot?: string;
  /** The queue lost the run and it was added again: it may have run before. */
  readonly again?: true;
  /** The worker that ran it, `NAME@HOST` or `HOST`; its log is on that host. Absent for `ferryline run`. */
  readonly worker?: string;
  readonly outcome: Outcome;
  readonly exitCode: number;
  /** Present when the end of its window has stopped it: the run goes on when that opens again. */
  readonly stoppedBy?: 'window';
  /** ISO 8601, UTC. */
  readonly startedAt: string;
  readonly endedAt: string;
  readonly seconds: number;
  readonly files: {
    readonly copied: number;
    readonly attrs: number;
    /** Files renamed at the destination. Absent in reports of earlier versions. */
    readonly renamed?: number;
    readonly deleted: number;
    readonly unchanged: number;
    readonly skipped: number;
    /** Source files that were removed after they were listed. Absent in reports of earlier versions. */
    readonly vanished?: number;
    readonly failed: number;
  };
  /** Bytes of the files copied. */
  readonly bytes: number;
  /** SSH logins the run made: one for each remote involved, jump hosts counted, plus reconnects. */
  readonly sessions: number;
  readonly attempt: number;
  readonly verified: 'checksum' | 'size' | 'none';
  /** Absent if there is nothing to name. */
  readonly notGuaranteed?: readonly NotGuaranteed[];
  readonly error?: FailureEnd;
  readonly failures: readonly Failure[];
  readonly failuresOmitted: number;
  /** The hooks that were carried out, in that order; absent when the job has none. */
  readonly hooks?: readonly HookEnd[];
  /** Present in what the queue keeps of a report that is larger than it takes; the worker has the whole one. */
  readonly cut?: true;
  /** Each target's own end, where the job has several; the other fields are sums, and the worst of them. */
  readonly targets?: readonly TargetEnd[];
}

/** Failures a report lists; further ones are only counted. */
export const failuresListed = 1000;

/** Whether a run succeeded and found nothing to do; one with an earlier attempt may have done it then, and a dry run did not look for something to do. */
export function isIdle({ outcome, files, attempt, stoppedBy, dryRun }: Report): boolean {
  const changed =
    files.copied + files.attrs + files.deleted + (files.renamed ?? 0) + (files.vanished ?? 0);
  const isWhole = stoppedBy === undefined && dryRun === undefined;
  return outcome === 'succeeded' && changed === 0 && attempt === 1 && isWhole;
}

export interface RunEnd extends Report {
  readonly event: 'run';
}

/** A message for people: what is happening, or a warning. */
interface Notice extends OfTarget {
  readonly event: 'notice';
  readonly level: 'info' | 'warning';
  readonly message: string;
}

/** Totals so far; sent more often than they are shown. */
export interface Progress {
  readonly event: 'progress';
  /** `check`: the totals are unknown, and 0. */
  readonly phase: 'scan' | 'transfer' | 'delete' | 'check';
  /** Entries compared so far. */
  readonly scanned: number;
  readonly files: { readonly done: number; readonly total: number };
  readonly bytes: { readonly done: number; readonly total: number };
}

/** A line of the session transcript (`-vv`): a status, a request or a reply. Never contains a secret. */
interface Transcript {
  readonly event: 'transcript';
  /** The remote's name. */
  readonly remote: string;
  readonly kind: 'status' | 'command' | 'response';
  readonly text: string;
}

export type RunEvent =
  | PlanEvent
  | ActionEvent
  | FileEvent
  | RunEnd
  | Notice
  | Progress
  | Transcript;

export type Emit = (event: RunEvent) => void;
