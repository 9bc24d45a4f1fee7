/** A job as the rest of the program uses it: every key present, every unit fixed. */
import type { ApiRules } from './api-rules.js';
import type { Bandwidth } from './bandwidth.js';
import type { Operation } from './events.js';
import type { Hours } from './hours.js';
import type { Channel, Heartbeat, IncidentRules } from './notify.js';
import type { Remote } from './remote.js';

/** The form of the name of a job, remote or worker. */
export const namePattern = /^[A-Za-z][A-Za-z0-9._-]{0,63}$/;

/** Whether workers may have this name: `ferryline-runs-names` is not the queue of any. */
export function isWorkerName(text: string): boolean {
  return namePattern.test(text) && text !== 'names';
}

/** One side of a job as written: a local path, or a path on a remote. */
export interface Location {
  readonly remote: Remote | undefined;
  /** As written, `~` expanded. Local: absolute. Remote: relative to the root or the login folder, or absolute. */
  readonly path: string;
  /** For people: `./data`, `archive:data`. */
  readonly label: string;
  /** A destination that may be a file's new name, as with scp: if the source is one file and no folder is there. Absent: it is a folder. */
  readonly mayBeFile?: boolean;
}

/** A number of files, or a share of them in percent. */
export type FileLimit = { readonly percent: number } | { readonly count: number };

export interface DeleteRules {
  /** Whether a mirror deletes at all: false with `delete: false`. */
  readonly enabled: boolean;
  /** The most files a run may delete; undefined: the built-in limit (jobs/plan/guard.ts). */
  readonly max: FileLimit | undefined;
  /** A path that must exist below the source's root. */
  readonly require: string | undefined;
  readonly allowEmptySource: boolean;
}

/** Where deleted and overwritten files go. */
export interface TrashRules {
  /** Folder below the destination's root. */
  readonly dir: string;
  /** Milliseconds files stay there; undefined: for ever. */
  readonly keep: number | undefined;
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

/** Commands around the runs of a job, each a program and its arguments. */
export interface Hooks {
  readonly before: readonly string[] | undefined;
  readonly success: readonly string[] | undefined;
  readonly failure: readonly string[] | undefined;
  readonly always: readonly string[] | undefined;
  /** Milliseconds that each may take. */
  readonly timeout: number;
  /** Names of variables of ferryline's own environment that they get. */
  readonly env: readonly string[];
  /** Absolute path of jobs.yml. */
  readonly config: string;
  /** The folder in which they run: that of jobs.yml. */
  readonly folder: string;
}

/** Everything one run of a job needs. */
export interface Job {
  readonly name: string;
  /** What the job is for, in words for people. */
  readonly description: string | undefined;
  /** Given on the command line, without jobs.yml: its name is made of its sides, and people know it by those. */
  readonly isAdHoc?: boolean;
  readonly operation: Operation;
  readonly from: Location;
  readonly to: Location;
  readonly scope: ScopeRules;
  /** Patterns of files that only grow: copied up to their size when they are opened. */
  readonly live: readonly string[];
  readonly compare: 'auto' | 'mtime' | 'size' | 'checksum';
  readonly existing: 'overwrite' | 'newer' | 'skip';
  readonly delete: DeleteRules;
  /** Undefined: files are deleted and overwritten for good. */
  readonly trash: TrashRules | undefined;
  /** The most existing files a run may overwrite; undefined: any number. */
  readonly replace: { readonly max: FileLimit } | undefined;
  /** Whether a file that was renamed at the source is renamed at the destination. */
  readonly renames: boolean;
  readonly symlinks: 'skip' | 'follow' | 'preserve';
  readonly modes: Modes;
  readonly verify: 'size' | 'checksum';
  readonly fsync: boolean;
  readonly after: After;
  /** Milliseconds for which a file's size and mtime must stay the same before it is copied; 0: not required. */
  readonly settle: number;
  /** This job's limit, in addition to those of its remotes; undefined: none. */
  readonly bandwidth: Bandwidth | undefined;
  /** When runs may start and continue; undefined: always. */
  readonly window: Hours | undefined;
  /** Milliseconds for the whole run. */
  readonly timeout: number | undefined;
  /** Run reports to keep: a number of them, or those of the last `ms` milliseconds. */
  readonly history: { readonly count: number } | { readonly ms: number };
  /** What starts runs and where; only the daemon uses it. */
  readonly starts: Starts;
  /** Absent: there are none. */
  readonly hooks?: Hooks;
  /** Which incidents it opens, and who is notified. */
  readonly incidents: IncidentRules;
  /** Several targets: each is run by itself, under the job's other keys. `from`, `to` and `after` are then those of the first. Absent: there is one. */
  readonly parts?: readonly JobPart[];
  /** Whether several parts write to one folder, so that they run one after another. */
  readonly inTurn?: boolean;
  /** In a job that is one part of another (`partsOf`): what the part is called. */
  readonly target?: string;
}

/** What distinguishes one part of a job with several targets. */
export interface JobPart extends Pick<Job, 'from' | 'to' | 'after'> {
  /** What it is called: `web1:www`. No two parts of a job have the same. */
  readonly target: string;
}

/** The parts of a job, each as a job with one target; the job itself when it has only one. */
export function partsOf(job: Job): readonly Job[] {
  const { parts, inTurn, ...rest } = job;
  return parts === undefined ? [job] : parts.map((part) => ({ ...rest, ...part }));
}

/** Which missed slots to catch up on. */
export interface CatchUp {
  readonly slots: 'none' | 'latest' | 'all';
  /** Greatest age of a slot, milliseconds; undefined: 24 h or the schedule's period, whichever is shorter; 7 days for `all`. */
  readonly within: number | undefined;
}

export interface WatchRules {
  /** Milliseconds between two scans of the whole tree. */
  readonly rescan: number;
  /** Milliseconds between two scans for changes, instead of events; undefined: only where there are no events. */
  readonly poll: number | undefined;
}

/** Times in milliseconds. */
export interface Starts {
  readonly schedule: readonly string[];
  readonly timezone: string | undefined;
  readonly catchUp: CatchUp;
  readonly watch: WatchRules | undefined;
  readonly worker: string | undefined;
  readonly retry: {
    readonly attempts: number;
    readonly backoff: number;
    readonly maxBackoff: number;
  };
}

/** The name of an installation whose jobs.yml sets none. */
export const defaultInstallation = 'ferryline';

export interface Config {
  /** Absolute path of the file. */
  readonly file: string;
  /** The state folder, absolute; undefined: the environment and the path of the file decide. */
  readonly stateDir: string | undefined;
  /** The limit of all jobs of a process together. */
  readonly bandwidth: Bandwidth | undefined;
  readonly queue: string;
  /** The installation's name, which the names of its queues begin with. */
  readonly name: string;
  readonly api: ApiRules;
  /** Who is notified of incidents, by name. */
  readonly notify: ReadonlyMap<string, Channel>;
  readonly heartbeat: Heartbeat | undefined;
  readonly remotes: ReadonlyMap<string, Remote>;
  /** Names of remotes by the name of their group. */
  readonly groups: ReadonlyMap<string, readonly string[]>;
  readonly jobs: ReadonlyMap<string, Job>;
  /** Messages for people, such as two jobs with the same destination. */
  readonly warnings: readonly string[];
  /** Resolved values that must never be printed. */
  readonly secrets: readonly string[];
}
