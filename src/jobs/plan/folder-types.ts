/** The input and output of planning one folder. The planning itself is plan-folder.ts. */
import type { Entry, Stat } from '../../core/entry.js';
import type { Operation } from '../../core/events.js';
import type { CompareRules, CopyKnown, StoredTime } from './compare.js';
import type { Doubt } from './doubt.js';
import type { Action, Equal, Mkdir, PathProblem, Skip, Snapshot } from './plan.js';

export interface PlanRules extends CompareRules {
  readonly operation: Operation;
  /** Whether what the source lacks is deleted: a mirror's, unless it is switched off. */
  readonly deletes: boolean;
  readonly symlinks: 'skip' | 'follow' | 'preserve';
  /** Whether equal files are listed too: `after` treats them like copied ones. */
  readonly listEqual: boolean;
  /**
   * Whether one of ferryline's own files at the destination is this run's to settle: what is aside is put back
   * or deleted, and a temporary file will be removed. Absent: none is.
   */
  readonly settles?: (own: { readonly path: string; readonly size: number | undefined }) => boolean;
  /** Copies in doubt, by path; absent: none. */
  readonly doubts?: ReadonlyMap<string, Doubt>;
  /** Files whose mtime is stored otherwise than it was sent, by path; absent: none. */
  readonly storedTimes?: { get(path: string): StoredTime | undefined };
}

const nothing: CopyKnown = {};

/** What earlier copies have shown of the destination's file at a path. */
export function knownOf(path: string, { doubts, storedTimes }: PlanRules): CopyKnown {
  // no object for each file where nothing is known of any
  if (doubts === undefined && storedTimes === undefined) return nothing;
  return { doubt: doubts?.get(path), time: storedTimes?.get(path) };
}

/** One entry of the source as the plan sees it. */
export interface SourceEntry extends Entry {
  /** The path a followed link leads to. */
  readonly from?: string;
  /** `preserve`: the link's target, known to be inside the root. */
  readonly target?: string;
  /** Why a link is skipped. */
  readonly skipReason?: string;
}

export interface DestinationEntry extends Entry {
  readonly target?: string;
  /** Its present name, aside, if the plan puts it back under this one (aside.ts). */
  readonly aside?: string;
}

export interface FolderPair {
  readonly path: string;
  /** The folder's path at the source; it differs from `path` below a followed link. */
  readonly from: string;
  /** The destination's folder as it is listed; absent: `path`. It differs in what is aside. */
  readonly at?: string;
  /** Whether the destination's folder is aside, to be deleted. */
  readonly isAside?: boolean;
  /** Undefined where the side has no such folder. */
  readonly source: readonly SourceEntry[] | undefined;
  readonly destination: readonly DestinationEntry[] | undefined;
  /** What is known of twins, by their key: whether the destination takes their names for one. Absent, or undefined for a key: nothing. */
  readonly sameNames?: (key: string) => SameName | undefined;
}

/** Whether names that are equal but for case and Unicode form are one name to the destination, or stay apart. */
export type SameName = 'one' | 'apart';

/** Names of one folder that fold together; only the destination can say whether they are one name to it. */
export interface Twins {
  /** What they fold to. */
  readonly key: string;
  /** The source's names. */
  readonly source: readonly string[];
  /** What the destination lists; undefined: none of them. */
  readonly destination: DestinationEntry | undefined;
}

/** A folder to plan next, and the sides on which it exists. */
export interface Descent {
  readonly path: string;
  readonly from: string;
  readonly source: boolean;
  readonly destination: boolean;
  /** The source folder's mode, if it has one. */
  readonly mode: number | undefined;
  /** As in `FolderPair`. */
  readonly at?: string;
  readonly isAside?: boolean;
}

/** Two files whose bytes must be compared. */
export interface Undecided {
  readonly path: string;
  readonly from: string;
  readonly source: Entry;
  readonly destination: Entry;
  /** The destination's path, where its name differs in case. */
  readonly rename?: string;
  /** The destination's present path, if the plan puts it back under `path`. */
  readonly at?: string;
}

/** What one folder adds to the plan. */
export interface FolderPlan {
  readonly actions: Action[];
  readonly conflicts: PathProblem[];
  readonly failures: PathProblem[];
  readonly skips: Skip[];
  readonly undecided: Undecided[];
  readonly equal: Equal[];
  readonly descend: Descent[];
  /** Folders of the source that the destination lacks; they are made only if something goes into them. */
  readonly missing: Mkdir[];
  /** Names of which `sameNames` did not say whether they are one; they are conflicts. */
  readonly twins: Twins[];
  /** Whether the destination's folder holds something that is kept, so that the folder is kept too. */
  keeps: boolean;
  /** Files in scope; links too, where they are preserved. */
  unchanged: number;
  sourceFiles: number;
  destinationFiles: number;
  compared: number;
}

/** The part of an entry that a plan keeps. */
export function snapshotOf({ kind, size, mtime, mode }: Stat): Snapshot {
  return { kind, size, mtime, mode };
}
