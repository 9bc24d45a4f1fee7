/**
 * The seam that makes push, pull, mirror and server-to-server one thing: one side of a job, a
 * root folder with random-access handles. Copying is moving chunks between two of them.
 *
 * The contract, held by test/suites/endpoint-suite.ts for every kind of side:
 * - Paths are relative to the root, POSIX, `''` is the root itself. Anything that would leave the
 *   root (`..`, a leading slash, an empty or dot segment, NUL) is refused before any I/O.
 * - `stat` is lstat. Nothing is ever created or changed through a link in the last segment; reading
 *   refuses one where the side can do so in one step (local does, SFTP v3 has no way to ask).
 * - Every call takes an AbortSignal and rejects soon after it fires; what it had begun may still
 *   happen on the other side.
 * - Errors are FerryErrors with the path filled in; `code` is a POSIX name where there is one
 *   (ENOENT, EEXIST, ENOTDIR, EACCES, ENOSPC …). Calls may be made at any time and in any number;
 *   whoever has many limits them by `can.maxHandles`.
 * - A listing is complete or an error: a failing one is never an empty one.
 */
import type { Attributes, Entry, Stat } from '../core/entry.js';

/** What a side can do, as data. Fixed once it is open, but for `setStat` and `clockOffset`: a server may be caught not keeping its word. */
export interface Capabilities {
  /** Whether `rename` replaces an existing file in one step. */
  readonly atomicReplace: boolean;
  /** Granularity of kept mtimes in seconds (1e-9, 1, 2 …). */
  readonly mtimePrecision: number;
  /**
   * How attributes of a file being written can be set:
   * `pipelined` in the same go as the last write, `handle` once the writes are acknowledged,
   * `path` after the close, `none` not at all.
   */
  setStat: 'pipelined' | 'handle' | 'path' | 'none';
  /** The side's clock less ours, seconds; measured where it keeps no mtime, since comparing then needs it. */
  clockOffset: number;
  readonly fsync: boolean;
  /** Whether an existing file can be opened again and written at an offset without losing the rest; what isn't known to do so is not asked to. */
  readonly offsetWrites: boolean;
  readonly caseSensitive: boolean;
  /** Files that may be open at once. */
  readonly maxHandles: number;
  /** Largest single read and write, bytes. */
  readonly maxRead: number;
  readonly maxWrite: number;
  /** Milliseconds one question and its answer take, as far as it is known by now; 0 for a local side. */
  readonly roundTrip: number;
  /** Requests the side gets at once, found as it goes; Infinity: as many as there are. */
  requestsAtOnce: number;
}

/** `read` an existing file; `create` a new one, failing where something stands (never relied on); `update` an existing one for writing. */
export type OpenMode = 'read' | 'create' | 'update';

/** How a file that was written ends. */
export interface Ending {
  /** All of the file's bytes, where nothing has been written to it. */
  readonly data?: Buffer | undefined;
  readonly attributes: Attributes;
  /** Whether it is to reach the side's disk; only where `can.fsync`. */
  readonly sync: boolean;
}

/** A small file as it was read. */
export interface Whole {
  /** How many were read: fewer than there was room for where the file is shorter, none where it is no file. */
  readonly bytes: number;
  /** The file before its first byte was read, where a look costs no round trip, and after its last. */
  readonly before: Stat | undefined;
  readonly after: Stat;
}

/** An open file. Calls may overlap; `close` comes last and is always called. */
export interface Handle {
  /** Reads into `buffer` from `position` (bytes); resolves to the bytes read, fewer only at the file's end, 0 past it. */
  read(buffer: Buffer, position: number, signal: AbortSignal): Promise<number>;
  /** Writes all of `buffer` at `position` (bytes). The buffer belongs to the handle until it settles. */
  write(buffer: Buffer, position: number, signal: AbortSignal): Promise<void>;
  stat(signal: AbortSignal): Promise<Stat>;
  /**
   * Ends a file that was written: the data that is left, attributes as `can.setStat` says, sync,
   * close, and a look at what is stored, undefined where nothing is. One round trip where the side
   * keeps order. Attributes that the side refuses are no error.
   */
  finish(ending: Ending, signal: AbortSignal): Promise<Stat | undefined>;
  /** Frees the handle; rejects when the side reports that the data did not make it. */
  close(): Promise<void>;
}

export interface Endpoint {
  /** For messages: `./data`, `archive:data`. */
  readonly label: string;
  /** The resolved root. */
  readonly root: string;
  readonly can: Capabilities;
  /** All entries of a folder but `.` and `..`, unordered. A name that breaks the protocol (a slash, NUL, empty) is a hostile-peer error. */
  list(folder: string, signal: AbortSignal): Promise<Entry[]>;
  /** The entry itself (a link is not followed); undefined when nothing stands there. */
  stat(path: string, signal: AbortSignal): Promise<Stat | undefined>;
  open(path: string, mode: OpenMode, permissions: number, signal: AbortSignal): Promise<Handle>;
  /**
   * Reads a file from its beginning until it ends or `target` (at most `can.maxRead`) is full, in as
   * few round trips as the side allows. `target` belongs to the side until this resolves; where it
   * rejects, for good.
   */
  readWhole(path: string, target: Buffer, signal: AbortSignal): Promise<Whole>;
  /** Makes one folder; EEXIST when something stands there. */
  mkdir(path: string, permissions: number, signal: AbortSignal): Promise<void>;
  /**
   * Renames. With `replace` an existing file gives way, in one step where `can.atomicReplace`;
   * without it something at `to` is an EEXIST error wherever the side can tell. A reply lost with
   * the connection is settled by looking at both names.
   */
  rename(from: string, to: string, replace: boolean, signal: AbortSignal): Promise<void>;
  setStat(path: string, attributes: Attributes, signal: AbortSignal): Promise<void>;
  /** Removes a file or link. */
  remove(path: string, signal: AbortSignal): Promise<void>;
  /** Removes an empty folder. */
  rmdir(path: string, signal: AbortSignal): Promise<void>;
  readlink(path: string, signal: AbortSignal): Promise<string>;
  symlink(target: string, path: string, signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}
