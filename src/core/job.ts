/** A job and its remotes as the rest of the program sees them: every key present, every unit fixed. */
import type { Operation } from './events.js';
import type { Remote } from './remote.js';

/** The form of a name of a job, a remote or a worker. */
export const namePattern = /^[A-Za-z][A-Za-z0-9._-]{0,63}$/;

/** One side of a job as written: a local path, or a path on a remote. */
export interface Location {
  readonly remote: Remote | undefined;
  /** As written, `~` expanded. Local: absolute. Remote: relative to the root or the login folder, or absolute. */
  readonly path: string;
  /** For people: `./data`, `archive:data`. */
  readonly label: string;
}

export interface DeleteRules {
  /** Largest share of the destination's files in scope (percent), or a number of files. */
  readonly max: { readonly percent: number } | { readonly count: number };
  /** Folder below the destination's root; undefined: removed for good. */
  readonly trash: string | undefined;
  /** Milliseconds the trash is kept; undefined: for ever. */
  readonly keep: number | undefined;
  /** A path that must exist below the source's root. */
  readonly require: string | undefined;
  readonly allowEmptySource: boolean;
}

export type Modes = 'source' | 'server' | { readonly files: number; readonly folders: number };

export type After =
  | { readonly kind: 'keep' }
  | { readonly kind: 'delete' }
  | { readonly kind: 'archive'; readonly to: Location };

export interface ScopeRules {
  readonly include: readonly string[];
  readonly exclude: readonly string[];
  readonly ignoreFile: string | undefined;
  /** Bytes. */
  readonly minSize: number | undefined;
  readonly maxSize: number | undefined;
  /** Milliseconds before the run's start. */
  readonly minAge: number | undefined;
  readonly maxAge: number | undefined;
  /** Milliseconds before the run's start in which a changed file may still be being written, so that it is left for a later run; a time after the start says nothing. */
  readonly quiet?: number;
}

/** All that concerns one run of a job. */
export interface Job {
  readonly name: string;
  readonly operation: Operation;
  readonly from: Location;
  readonly to: Location;
  readonly scope: ScopeRules;
  readonly compare: 'auto' | 'mtime' | 'size' | 'checksum';
  readonly existing: 'replace' | 'newer' | 'keep';
  readonly delete: DeleteRules;
  readonly symlinks: 'skip' | 'follow' | 'preserve';
  readonly modes: Modes;
  readonly verify: 'size' | 'checksum';
  readonly fsync: boolean;
  readonly after: After;
  /** Bytes a second for this job; undefined: only the remotes' limits. */
  readonly bandwidth: number | undefined;
  /** Milliseconds for the whole run. */
  readonly timeout: number | undefined;
  /** Run reports kept. */
  readonly history: number;
  /** What starts it and where, read and checked here, carried out by the daemon. */
  readonly starts: Starts;
}

export interface Starts {
  readonly schedule: readonly string[];
  readonly timezone: string | undefined;
  readonly missed: 'none' | 'latest' | 'all';
  readonly missedWithin: number | undefined;
  readonly watch: { readonly settle: number; readonly rescan: number } | undefined;
  readonly worker: string | undefined;
  readonly retry: {
    readonly attempts: number;
    readonly backoff: number;
    readonly maxBackoff: number;
  };
}

export interface Config {
  /** Absolute path of the file. */
  readonly file: string;
  readonly queue: string;
  readonly remotes: ReadonlyMap<string, Remote>;
  readonly jobs: ReadonlyMap<string, Job>;
  /** Sentences worth telling (two jobs with one destination …). */
  readonly warnings: readonly string[];
  /** Resolved values that must never be printed. */
  readonly secrets: readonly string[];
}
