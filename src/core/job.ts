/** A job as the rest of the program uses it: every key present, every unit fixed. */
import type { Operation } from './events.js';
import type { Remote } from './remote.js';

/** The form of the name of a job, remote or worker. */
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
  /** The most that may be deleted: a share of the destination's files in scope, or a number of files. */
  readonly max: { readonly percent: number } | { readonly count: number };
  /** Folder below the destination's root; undefined: files are removed for good. */
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
  /** Milliseconds: a file changed less than this before the run's start may still be being written and is left to a later run. A file changed after the start is not affected. */
  readonly quiet?: number;
}

/** Everything one run of a job needs. */
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
  /** Run reports to keep. */
  readonly history: number;
  /** What starts runs and where; only the daemon uses it. */
  readonly starts: Starts;
}

/** Times in milliseconds. */
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
  /** Messages for people, such as two jobs with the same destination. */
  readonly warnings: readonly string[];
  /** Resolved values that must never be printed. */
  readonly secrets: readonly string[];
}
