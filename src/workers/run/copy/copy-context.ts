/** The types of copying: what all copies of a run share, a request, and its result. */
import type { Budget } from '../../../core/at-once.js';
import type { Stat } from '../../../core/entry.js';
import type { NotGuaranteed } from '../../../core/events.js';
import type { Job, Modes } from '../../../core/job.js';
import type { Endpoint } from '../../../endpoints/endpoint.js';
import type { Snapshot } from '../../../jobs/plan/plan.js';
import type { Doubts } from '../remembered/doubts.js';
import type { Origins } from '../remembered/origins.js';
import type { StoredTimes } from '../remembered/stored-times.js';
import type { Buffers } from './buffers.js';
import type { Flight } from './chunks.js';

interface CopyRules {
  readonly modes: Modes;
  readonly verify: 'size' | 'checksum';
  readonly fsync: boolean;
  /** When the run started, ms since the epoch; it is part of temporary names. */
  readonly start: number;
  /** What may be replaced; absent: whatever is there. */
  readonly existing?: Job['existing'];
}

export interface CopyContext {
  readonly source: Endpoint;
  readonly destination: Endpoint;
  /** Who writes: the first half of the fingerprint in temporary names. */
  readonly writer: string;
  readonly rules: CopyRules;
  /** Bytes in flight over all files. */
  readonly budget: Budget;
  /** Buffers that small files and chunks are read into. */
  readonly buffers: Buffers;
  /** The chunks of large files in flight, which leave room in `budget` for small ones. */
  readonly flight: Flight;
  /** Files moved chunk by chunk at once, which stay open for longer. */
  readonly largeFiles: Budget;
  /** Resolves when this many more bytes may flow; undefined while there is no bandwidth limit. */
  readonly pass: ((bytes: number) => Promise<void>) | undefined;
  readonly signal: AbortSignal;
  /** Called with the bytes of each chunk that has arrived, and with a negative number when a file starts again. */
  readonly onBytes: (bytes: number) => void;
  /** Temporary files that can be resumed, by fingerprint, newest first; removed from the map when claimed. */
  readonly leftovers: Map<string, readonly string[]>;
  /** Temporary files that cannot be resumed; they are removed when the run ends. */
  readonly orphans: Set<string>;
  /** By their final paths, old files that were set aside and could not be put back: another try takes them from there. */
  readonly leftAside?: Map<string, string>;
  /** Whether a path is that of a file that may grow while it is read (`live`); undefined: none may. */
  readonly isLive: ((path: string) => boolean) | undefined;
  /** Records each copy; undefined where no later run compares it. */
  readonly doubts: Pick<Doubts, 'publishing'> | undefined;
  /** Records what became of each mtime; undefined where no later run compares it. */
  readonly times: StoredTimes | undefined;
  /** Records from which file each copy was made; undefined where renames are not followed. */
  readonly origins?: Pick<Origins, 'copied'> | undefined;
  /** Whether the destination's RENAME refuses an existing name, once a file with `existing: skip` has found out. */
  readonly freeNames?: { refuses: Promise<boolean> | undefined };
  /** Whether the first rename to a free name, and the first to a taken one, did what the server said; absent: each is looked at. */
  readonly firstNames?: { free?: Promise<boolean>; taken?: Promise<boolean> };
  /** Whether each rename is looked at, since more than the copy depends on it (`after`). */
  readonly looks?: boolean;
  /** Records what the run can't guarantee. */
  readonly notGuaranteed?: (what: NotGuaranteed) => void;
  /** Keeps what copies replace; undefined: it is overwritten for good. */
  readonly trash: OldFiles | undefined;
}

/** What becomes of files that are deleted or replaced. Errors are `io`, and then the old file is where it was. */
export interface OldFiles {
  /**
   * Keeps the file or link at the final name `path`, which stays there, too; `seen` is what the scan
   * saw. Resolves to `aside` if the side can do that only by setting it aside first: then it is to be
   * taken from there once the new file has its name.
   */
  keep(path: string, seen: Snapshot, context: CopyContext): Promise<'kept' | 'aside'>;
  /**
   * Moves a file or link away. `from` is its current path, `path` its final one. What turns out not to be
   * `seen` is moved back without replacing anything, and the error is `changed`; absent: whatever is there.
   */
  take(from: string, path: string, seen?: Snapshot): Promise<void>;
}

/** For copies from one place at the destination to another. Their bytes are no progress of the run, only a sign of life. */
export function insideOf(context: CopyContext): CopyContext {
  return {
    ...context,
    source: context.destination,
    rules: { ...context.rules, modes: 'source', existing: 'overwrite' },
    onBytes: () => context.onBytes(0),
    leftovers: new Map(),
    isLive: undefined,
    doubts: undefined,
    times: undefined,
    origins: undefined,
    trash: undefined,
  };
}

export interface CopyRequest {
  readonly path: string;
  /** The source's path. */
  readonly from: string;
  readonly source: Snapshot;
  /** The entry at the final name when it was scanned. */
  readonly destination: Snapshot | undefined;
  /** Whether that one has another name by now, so that nothing else need keep it. */
  readonly movesOn?: true;
}

export interface Copied {
  readonly bytes: number;
  readonly verified: 'checksum' | 'size' | 'none';
  /** The source's attributes when its bytes were read. */
  readonly source: Stat;
  /** Whether it grew while it was read; the copy is then what it held when it was opened. */
  readonly grew: boolean;
}
