/**
 * The interface that makes push, pull, mirror and server-to-server one operation: one side of a job,
 * a root folder with random-access handles. Copying moves chunks between two such handles.
 *
 * The contract, which test/suites/endpoint-suite.ts checks for every kind of side:
 * - Paths are POSIX and relative to the root; `''` is the root itself. A path that would leave the
 *   root (`..`, a leading slash, an empty or dot segment, NUL) is refused before any I/O.
 * - `stat` does not follow links. Nothing is ever created or changed through a link in the last
 *   segment. Reading refuses such a link if the side can do so in one step: local does, SFTP v3
 *   has no way to ask for it.
 * - Every call takes an AbortSignal and rejects soon after it is aborted; what the call had begun may
 *   still happen on the side.
 * - Errors are FerryErrors with the path filled in; `code` is a POSIX name if there is one (ENOENT,
 *   EEXIST, ENOTDIR, EACCES, ENOSPC …). Any number of calls may be made at any time; a caller
 *   that opens many files limits them by `can.maxHandles`.
 * - A listing is complete or an error: a failed one is never an empty one.
 */
import type { Attributes, Entry, Stat } from '../core/entry.js';
import type { MtimeHabit } from '../core/mtime-habit.js';

/** What a side can do, as data. Only `setStat`, `mtimeHabit`, `clockOffset`, `hardLinks` and `requestsAtOnce` may change while it is open: a run may find that a server does less than it claims. */
export interface Capabilities {
  /** Whether `rename` replaces an existing file in one step. */
  readonly atomicReplace: boolean;
  /** Called where `atomicReplace` was refused for a file, and replacing it in steps has worked. */
  readonly replaceRefused?: () => void;
  /** Whether the side was seen to say that it removed what is still there, or renamed what was not. */
  readonly removalsLie?: boolean;
  readonly renamesLie?: boolean;
  /** Called where that was seen. */
  readonly removalLied?: () => void;
  readonly renameLied?: () => void;
  /** Granularity of stored mtimes, seconds (1e-9, 1, 2 …). */
  readonly mtimePrecision: number;
  /** How it was found to store mtimes; undefined: as given, so far. */
  mtimeHabit?: MtimeHabit | undefined;
  /**
   * When the attributes of a file that is being written can be set: `pipelined` together with the
   * last write, `handle` after the writes are acknowledged, `path` after the close, `none` never.
   */
  setStat: 'pipelined' | 'handle' | 'path' | 'none';
  /** The side's clock minus ours, seconds; measured if the side stores no mtimes, since comparing then needs it. */
  clockOffset: number;
  readonly fsync: boolean;
  /** Whether the side offers hard links; one that does may still refuse a single link. */
  hardLinks: boolean;
  /** Whether the side copies a file's bytes itself (`copyFrom`). */
  readonly copyData: boolean;
  /** Whether an existing file can be opened again and written at an offset without losing the rest; false unless the side is known to allow it. */
  readonly offsetWrites: boolean;
  /** Files that may be open at once. */
  readonly maxHandles: number;
  /** Largest single read and write, bytes. */
  readonly maxRead: number;
  readonly maxWrite: number;
  /** Milliseconds from a request to its answer, as far as known by now; 0 for a local side. */
  readonly roundTrip: number;
  /** Requests that the side should have at once, found by trial during runs; Infinity: no limit. */
  requestsAtOnce: number;
}

/** `read` opens an existing file, `update` one for writing; `create` makes a new one and fails if the name exists, though nothing relies on that. */
export type OpenMode = 'read' | 'create' | 'update';

/** How a file that was written is finished. */
export interface Ending {
  /** All of the file's bytes, if nothing has been written to it. */
  readonly data?: Buffer | undefined;
  readonly attributes: Attributes;
  /** Whether to wait until it is on the side's disk; only if `can.fsync`. */
  readonly sync: boolean;
}

/** A small file that was read as a whole. */
export interface WholeFile {
  /** Bytes read: fewer than fit if the file is shorter, none if it is no regular file. */
  readonly bytes: number;
  /** The file's stat before its first byte was read (undefined if that costs a round trip) and after its last. */
  readonly before: Stat | undefined;
  readonly after: Stat;
}

/** An open file. Calls may overlap; every handle must be closed, as its last call. */
export interface Handle {
  /** Reads into `buffer` from `position` (bytes); resolves to the bytes read, fewer only at the file's end, 0 past it. */
  read(buffer: Buffer, position: number, signal: AbortSignal): Promise<number>;
  /** Writes all of `buffer` at `position` (bytes). The buffer must not change until this settles. */
  write(buffer: Buffer, position: number, signal: AbortSignal): Promise<void>;
  stat(signal: AbortSignal): Promise<Stat>;
  /**
   * Copies the first `bytes` bytes of the same side's file at `path` to this file's beginning, without
   * sending them through us; ENOTSUP if not `can.copyData`. Resolves to the stat of the file that was
   * read, after its last byte. A side may copy less and say OK: the size at the end shows it.
   */
  copyFrom(path: string, bytes: number, signal: AbortSignal): Promise<Stat>;
  /**
   * Finishes a file that was written: writes the rest, sets attributes as `can.setStat` says, syncs
   * and closes it. Resolves to the stored file's stat, undefined if there is none. It takes one round
   * trip if the side keeps requests in order. Refused attributes are no error.
   */
  finish(ending: Ending, signal: AbortSignal): Promise<Stat | undefined>;
  /**
   * Cuts a file that an earlier run began to its first `bytes` bytes. Resolves to whether what is left can be
   * trusted: a plain file with one name, and no hole in it, which reads as zeros. Absent where the side can't
   * tell.
   */
  cutTo?(bytes: number, signal: AbortSignal): Promise<boolean>;
  /** Puts what is written so far on the side's disk if `can.fsync`; absent where a later `cutTo` finds what a power cut took. */
  flush?(signal: AbortSignal): Promise<void>;
  /** Closes the handle; rejects if the side reports that data was not stored. */
  close(): Promise<void>;
}

export interface Endpoint {
  /** For messages: `./data`, `archive:data`. */
  readonly label: string;
  /** The resolved root. */
  readonly root: string;
  readonly can: Capabilities;
  /** All entries of a folder except `.` and `..`, in no order. A name that cannot be one (with a slash or NUL, or empty) is a hostile-peer error. */
  list(folder: string, signal: AbortSignal): Promise<Entry[]>;
  /** The entry at a path, links not followed; undefined if there is none. */
  stat(path: string, signal: AbortSignal): Promise<Stat | undefined>;
  /**
   * Opens a file. `beside` is a handle of any side that the caller has open already: where no more files can be
   * opened, the call may reject (`isGivingWay`), and the caller closes that handle and begins again.
   */
  open(
    path: string,
    mode: OpenMode,
    permissions: number,
    signal: AbortSignal,
    beside?: Handle,
  ): Promise<Handle>;
  /**
   * Reads a file from its beginning until it ends or `target` (at most `can.maxRead` bytes) is full,
   * in as few round trips as the side allows. `target` must not be used until this resolves; after a
   * rejection it must never be used again.
   */
  readWhole(path: string, target: Buffer, signal: AbortSignal): Promise<WholeFile>;
  /** Creates one folder; EEXIST if the name exists. */
  mkdir(path: string, permissions: number, signal: AbortSignal): Promise<void>;
  /**
   * Renames. With `replace` an existing file at `to` is replaced, in one step if `can.atomicReplace`;
   * without it an existing `to` is an EEXIST error if the side can tell. If the reply is lost with
   * the connection, both names are looked up to find out whether the rename was done: the file is at
   * `to`, and `from` is gone or has another one by now. `isOurs` says whether what is at a name is the
   * file (absent: whatever is there is it).
   */
  rename(
    from: string,
    to: string,
    replace: boolean,
    signal: AbortSignal,
    isOurs?: (there: Stat) => boolean | Promise<boolean>,
  ): Promise<void>;
  /**
   * Makes a second name for a file, and resolves to the stat of what is there then: a server may say
   * OK and make nothing, which is ENOTSUP, as is a side without hard links. EEXIST if `to` exists;
   * after a lost connection also if it is the link that an earlier attempt made.
   */
  link(from: string, to: string, signal: AbortSignal): Promise<Stat>;
  setStat(path: string, attributes: Attributes, signal: AbortSignal): Promise<void>;
  /**
   * Removes a file or link. If the reply is lost with the connection, it is removed again only if `isIt`
   * says that what is there is still the same (absent: whatever is there is it); else the error is `changed`.
   */
  remove(path: string, signal: AbortSignal, isIt?: (there: Stat) => boolean): Promise<void>;
  /** Removes an empty folder. */
  rmdir(path: string, signal: AbortSignal): Promise<void>;
  readlink(path: string, signal: AbortSignal): Promise<string>;
  symlink(target: string, path: string, signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}
