/**
 * The plan: the exact list of actions that makes the destination right, and its parts. seal-plan.ts makes
 * it of the results of plan-folder.ts.
 *
 * Only actions and counts are kept; an unchanged entry is dropped as soon as it has been compared.
 */
import type { Stat } from '../../core/entry.js';
import type { ErrorKind } from '../../core/errors.js';
import type { Operation } from '../../core/events.js';

/** An entry's attributes at the time of the scan, for the digest and for detecting later changes. */
export interface Snapshot {
  readonly kind: Stat['kind'];
  readonly size: number | undefined;
  readonly mtime: number | undefined;
  readonly mode: number | undefined;
}

export interface Mkdir {
  readonly action: 'mkdir';
  readonly path: string;
  /** The source folder's; undefined: as the destination's umask has it. */
  readonly mode: number | undefined;
}

export interface Copy {
  readonly action: 'copy';
  readonly path: string;
  /** The source's path; it differs from `path` behind a followed link. */
  readonly from: string;
  readonly source: Snapshot;
  /** The entry it replaces. */
  readonly destination: Snapshot | undefined;
  /** `new`, `size`, `newer`, `older`, `content`, `in doubt` … */
  readonly reason: string;
  /** The destination's current path if it differs only in case; it is renamed first (case-insensitive sides). */
  readonly rename?: string;
  /** Whether a rename has given the entry it replaces another name, so that it is not lost. */
  readonly movesOn?: true;
}

/**
 * A file that the destination lacks. A plan may hold a million, so each keeps its path once and its source's
 * attributes in place; all else comes from the class, and is lost where one is spread: see `asPlain`.
 */
export class NewFile implements Copy {
  readonly path: string;
  readonly #size: number | undefined;
  readonly #mtime: number | undefined;
  readonly #mode: number | undefined;

  constructor(path: string, { size, mtime, mode }: Omit<Snapshot, 'kind'>) {
    // V8 joins the parts of a string, and lets go of them, when it is first read
    path.charCodeAt(0);
    this.path = path;
    this.#size = size;
    this.#mtime = mtime;
    this.#mode = mode;
  }

  get action() {
    return 'copy' as const;
  }

  get from(): string {
    return this.path;
  }

  get source(): Snapshot {
    return { kind: 'file', size: this.#size, mtime: this.#mtime, mode: this.#mode };
  }

  get destination(): undefined {
    return undefined;
  }

  get reason() {
    return 'new';
  }

  /** As any other copy, for the plan's digest and for a sealed plan. */
  toJSON(): Copy {
    return asPlain(this);
  }
}

/** A copy as an object whose properties are all its own, which can be spread. */
export function asPlain(copy: Copy): Copy {
  const { action, path, from, source, destination, reason } = copy;
  const more: Pick<Copy, 'rename' | 'movesOn'> = copy;
  return { action, path, from, source, destination, reason, ...more };
}

/** A link to be recreated with the same target (`symlinks: preserve`). */
export interface Link {
  readonly action: 'link';
  readonly path: string;
  readonly target: string;
  readonly destination: Snapshot | undefined;
  readonly movesOn?: true;
}

/** The same bytes under another mtime, or under a name that differs in case. */
export interface SetAttributes {
  readonly action: 'attrs';
  readonly path: string;
  readonly source: Snapshot;
  readonly destination: Snapshot;
  readonly rename?: string;
}

export interface Delete {
  readonly action: 'delete';
  readonly path: string;
  /** The entry as it was scanned. The name is part of the plan's digest. */
  readonly seen: Snapshot;
  /** The path under which the trash keeps it, if it is aside. */
  readonly as?: string;
}

/** An entry that an interrupted replacement left aside gets its name back. */
export interface PutBack {
  readonly action: 'putBack';
  readonly path: string;
  /** Its present path. */
  readonly from: string;
  readonly seen: Snapshot;
}

/** A file that the destination has under another name, which the plan would delete or replace. */
export interface Rename {
  readonly action: 'rename';
  readonly path: string;
  /** Where the destination has it. */
  readonly at: string;
  /** Whether it keeps that name, too, until the plan's file for it replaces it there. */
  readonly stays: boolean;
  /** The source's path. */
  readonly from: string;
  readonly source: Snapshot;
  /** The file at `at`. */
  readonly seen: Snapshot;
  /** The file it replaces. */
  readonly destination: Snapshot | undefined;
  readonly movesOn?: true;
}

export type Action = Mkdir | Copy | Link | SetAttributes | Delete | PutBack;

/** A path that cannot be carried out, because of the entry itself or of another one in its way. */
export interface PathProblem {
  readonly path: string;
  /** The source's path where another one is behind it: of a conflict behind a followed link. */
  readonly from?: string;
  readonly kind: ErrorKind;
  readonly message: string;
}

/** A path skipped by policy. */
export interface Skip {
  readonly path: string;
  readonly kind: 'link' | 'special' | 'temporary';
  readonly message: string;
}

/** A file whose destination was found equal. */
export interface Equal {
  readonly path: string;
  readonly from: string;
  readonly source: Snapshot;
  /** When the reading of its bytes began, ms since the epoch; absent: they were not compared, so nothing is proven. */
  readonly readAt?: number;
}

/** The whole plan. Lists are sorted by path bytes. */
export interface Plan {
  readonly job: string;
  readonly operation: Operation;
  readonly from: string;
  readonly to: string;
  /** Carried out before everything else. */
  readonly putBacks: readonly PutBack[];
  readonly mkdirs: readonly Mkdir[];
  /** Carried out before the copies, which may replace what they have given another name. */
  readonly renames: readonly Rename[];
  readonly copies: readonly (Copy | Link)[];
  readonly attrs: readonly SetAttributes[];
  /** Files and links, then folders, innermost first. */
  readonly deletes: readonly Delete[];
  readonly conflicts: readonly PathProblem[];
  /** Paths that cannot be carried out: unreadable folders, names that cannot be transferred. */
  readonly failures: readonly PathProblem[];
  readonly skips: readonly Skip[];
  /** Equal files, listed only if `after` has to handle them; not part of the digest. */
  readonly equal: readonly Equal[];
  readonly unchanged: number;
  /** Files in scope on each side before the run; links count if they are preserved. */
  readonly sourceFiles: number;
  readonly destinationFiles: number;
  /** Bytes the copies transfer. */
  readonly bytes: number;
  /** SHA-256 over job, roots and actions with the snapshots of both sides, hexadecimal. */
  readonly digest: string;
}

/** The files that exist on both sides and would be copied, and how many of them have the same size and only another mtime. */
export function differingFiles({ copies }: Pick<Plan, 'copies'>): {
  readonly all: number;
  readonly inTimeAlone: number;
} {
  let all = 0;
  let inTimeAlone = 0;
  for (const copy of copies) {
    if (copy.action !== 'copy' || copy.destination === undefined) continue;
    all++;
    const { reason } = copy;
    if (reason === 'newer' || reason === 'older') inTimeAlone++;
  }
  return { all, inTimeAlone };
}
