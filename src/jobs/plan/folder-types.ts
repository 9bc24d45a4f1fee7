/** What goes into the plan of one folder, and what comes out. The planning itself is plan-folder.ts. */
import type { Entry, Stat } from '../../core/entry.js';
import type { Operation } from '../../core/events.js';
import type { CompareRules } from './compare.js';
import type { Doubt } from './doubt.js';
import type { Action, Equal, Mkdir, Problem, Seen, Skip } from './plan.js';

export interface PlanRules extends CompareRules {
  readonly operation: Operation;
  readonly symlinks: 'skip' | 'follow' | 'preserve';
  readonly caseSensitive: boolean;
  /** Whether files found equal are listed too: `after` acts on them as on those copied. */
  readonly listEqual: boolean;
  /** Copies in doubt, by path; absent: none. */
  readonly doubts?: ReadonlyMap<string, Doubt>;
}

/** One entry of the source as the plan sees it; a followed link carries where it leads. */
export interface SourceEntry extends Entry {
  readonly from?: string;
  /** `preserve`: where the link points, once it is known to stay inside the root. */
  readonly target?: string;
  /** Why a link is passed over. */
  readonly passed?: string;
}

export interface DestinationEntry extends Entry {
  readonly target?: string;
}

export interface FolderPair {
  readonly path: string;
  /** The folder's place at the source, another one below a followed link. */
  readonly from: string;
  /** Undefined where the side has no such folder. */
  readonly source: readonly SourceEntry[] | undefined;
  readonly destination: readonly DestinationEntry[] | undefined;
}

/** A folder to look into next; on which sides it stands. */
export interface Descent {
  readonly path: string;
  readonly from: string;
  readonly source: boolean;
  readonly destination: boolean;
  /** The source folder's mode. */
  readonly mode: number;
}

/** Two files whose bytes must be compared. */
export interface Undecided {
  readonly path: string;
  readonly from: string;
  readonly source: Entry;
  readonly destination: Entry;
  /** The destination's path, where its name differs in case. */
  readonly rename?: string;
}

/** What one folder adds to the plan. */
export interface FolderPlan {
  readonly actions: Action[];
  readonly conflicts: Problem[];
  readonly failures: Problem[];
  readonly skips: Skip[];
  readonly undecided: Undecided[];
  readonly equal: Equal[];
  readonly descend: Descent[];
  /** Folders of the source that the destination lacks; made when something is to be in them. */
  readonly missing: Mkdir[];
  /** Whether the destination's folder holds something that stays, so that it stays too. */
  keeps: boolean;
  /** Files in scope; links too, where they are preserved. */
  unchanged: number;
  sourceFiles: number;
  destinationFiles: number;
  compared: number;
}

/** What a plan keeps of an entry. */
export function seen({ kind, size, mtime, mode }: Stat): Seen {
  return { kind, size, mtime, mode };
}
