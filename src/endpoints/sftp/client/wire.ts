/**
 * The bytes of SFTP version 3: packet types, status codes, attributes, and a reader that never
 * reads past its packet. Pure; which reply answers which request is in replies.ts, when requests are
 * sent in exchange.ts.
 *
 * Sources: draft-ietf-secsh-filexfer-02; PROTOCOL (OpenSSH) §4 for the extensions.
 */
import { isUtf8 } from 'node:buffer';
import type { Attributes, Entry, Kind, Stat } from '../../../core/entry.js';
import { FerryError } from '../../../core/errors.js';
import { escapeText } from '../../../core/text.js';
import { Listed } from '../../listed.js';

/** draft-ietf-secsh-filexfer-02 §3 */
export const packet = {
  INIT: 1,
  VERSION: 2,
  OPEN: 3,
  CLOSE: 4,
  READ: 5,
  WRITE: 6,
  LSTAT: 7,
  FSTAT: 8,
  SETSTAT: 9,
  FSETSTAT: 10,
  OPENDIR: 11,
  READDIR: 12,
  REMOVE: 13,
  MKDIR: 14,
  RMDIR: 15,
  REALPATH: 16,
  STAT: 17,
  RENAME: 18,
  READLINK: 19,
  SYMLINK: 20,
  STATUS: 101,
  HANDLE: 102,
  DATA: 103,
  NAME: 104,
  ATTRS: 105,
  EXTENDED: 200,
  EXTENDED_REPLY: 201,
} as const;

/** draft-ietf-secsh-filexfer-02 §6.3 */
export const openFlag = { READ: 1, WRITE: 2, APPEND: 4, CREAT: 8, TRUNC: 16, EXCL: 32 } as const;

/** draft-ietf-secsh-filexfer-02 §7 */
export const status = { OK: 0, EOF: 1 } as const;

/** draft-ietf-secsh-filexfer-02 §5 */
const attribute = {
  SIZE: 1,
  UIDGID: 2,
  PERMISSIONS: 4,
  ACMODTIME: 8,
  EXTENDED: 0x80000000,
} as const;

/** A longer packet is a violation. OpenSSH limits packets to 256 KiB; the rest allows for other servers' framing. */
export const largestPacketBytes = 256 * 1024 + 1024;
/** A longer handle is a violation (draft-ietf-secsh-filexfer-02 §7). */
const longestHandleBytes = 256;

const strangerHint =
  'nothing more was sent to it; check that this is the server you mean, and tell its operator';

/** The error for a peer that broke the protocol; it ends the session. */
export function violation(what: string, hint = strangerHint): FerryError {
  return new FerryError('hostile-peer', `the server broke the SFTP protocol: ${what}`, { hint });
}

/** Reads one packet's body; running past its end is a violation, never a read of other bytes. */
export class Reader {
  readonly #bytes: Buffer;
  readonly #end: number;
  #at: number;

  constructor(bytes: Buffer, start: number, end: number) {
    this.#bytes = bytes;
    this.#at = start;
    this.#end = end;
  }

  get left(): number {
    return this.#end - this.#at;
  }

  #take(length: number): number {
    const at = this.#at;
    if (length > this.#end - at) throw violation('a packet ends in the middle of a field');
    this.#at = at + length;
    return at;
  }

  u32(): number {
    return this.#bytes.readUInt32BE(this.#take(4));
  }

  /** A 64-bit integer; above 2^53 the nearest number. */
  u64(): number {
    const at = this.#take(8);
    return this.#bytes.readUInt32BE(at) * 0x1_0000_0000 + this.#bytes.readUInt32BE(at + 4);
  }

  /** A view of a string's bytes; valid only until the packet's buffer is reused. */
  bytes(): Buffer {
    const length = this.u32();
    const at = this.#take(length);
    return this.#bytes.subarray(at, at + length);
  }

  text(): string {
    const length = this.u32();
    const at = this.#take(length);
    return this.#bytes.toString('utf8', at, at + length);
  }

  /** A name, and why it can't be carried over if that is so. */
  name(): { readonly text: string; readonly problem: string | undefined } {
    const length = this.u32();
    const at = this.#take(length);
    const text = this.#bytes.toString('utf8', at, at + length);
    // invalid UTF-8 decodes to U+FFFD, which a valid name may contain as well
    const problem =
      text.includes('\ufffd') && !isUtf8(this.#bytes.subarray(at, at + length))
        ? 'its name is not valid UTF-8'
        : length > 255
          ? 'its name is longer than 255 bytes'
          : undefined;
    return { text, problem };
  }

  skipString(): void {
    this.#take(this.u32());
  }

  /** A handle, copied. */
  handle(): Buffer {
    const handle = this.bytes();
    if (handle.length === 0 || handle.length > longestHandleBytes)
      throw violation(`a handle of ${handle.length} bytes`);
    return Buffer.from(handle);
  }

  end(): void {
    if (this.left !== 0) throw violation(`a packet with ${this.left} bytes too many`);
  }
}

/** Times are 32 bits, unsigned, in SFTP v3; later ones are cut to this. */
const latestSecond = 0xffff_ffff;

/** An mtime as the protocol can carry it: whole seconds, rounded down, from 0 to 2^32 - 1. */
export function wireTime(seconds: number): number {
  return Math.min(Math.max(Math.floor(seconds), 0), latestSecond);
}

const kinds: ReadonlyMap<number, Kind> = new Map([
  [0o040000, 'folder'],
  [0o100000, 'file'],
  [0o120000, 'link'],
]);

export interface RawStat extends Omit<Stat, 'kind'> {
  /** Undefined if the server sent no permissions, whose upper bits hold the type, or left those bits zero. */
  readonly kind: Kind | undefined;
}

/** ATTRS (draft-ietf-secsh-filexfer-02 §5). */
export function readAttributes(reader: Reader): RawStat {
  const flags = reader.u32();
  const size = flags & attribute.SIZE ? reader.u64() : undefined;
  if (flags & attribute.UIDGID) {
    reader.u32();
    reader.u32();
  }
  const mode = flags & attribute.PERMISSIONS ? reader.u32() : undefined;
  let mtime: number | undefined;
  if (flags & attribute.ACMODTIME) {
    reader.u32();
    mtime = reader.u32();
  }
  if (flags & attribute.EXTENDED) {
    const pairs = reader.u32();
    if (pairs > reader.left / 8) throw violation('more extended attributes than the packet holds');
    for (let i = 0; i < pairs; i++) {
      reader.skipString();
      reader.skipString();
    }
  }
  const type = (mode ?? 0) & 0o170000;
  const kind = type === 0 ? undefined : (kinds.get(type) ?? 'special');
  return { kind, size, mtime, mode: usableMode((mode ?? 0) & 0o7777, kind) };
}

/** The mode if it means something: a server without permissions sends zero, and some send 0666 for folders, which nobody could enter. */
export function usableMode(mode: number | undefined, kind: Kind | undefined): number | undefined {
  const bits = kind === 'folder' ? 0o111 : 0o777;
  return mode !== undefined && (mode & bits) !== 0 ? mode : undefined;
}

export interface RawEntry extends RawStat {
  readonly name: string;
  readonly problem?: string;
}

/** What `readEntries` returns of an answer that holds `.` or `..` alone. */
export const dotsAlone: RawEntry[] = [];

/** NAME (draft-ietf-secsh-filexfer-02 §7) as the reply to READDIR, without `.` and `..`. A name that could lead outside the folder is a hostile-peer error. */
export function readEntries(reader: Reader): RawEntry[] {
  const count = reader.u32();
  if (count > reader.left / 12) throw violation('more names than the packet holds');
  const entries: RawEntry[] = [];
  for (let i = 0; i < count; i++) {
    const { text: name, problem: unusable } = reader.name();
    reader.skipString(); // the `ls -l` line
    const stat = readAttributes(reader);
    if (name === '.' || name === '..') continue;
    if (name === '' || name.includes('/') || name.includes('\0'))
      throw new FerryError(
        'hostile-peer',
        `the server lists a name that cannot be one: "${escapeText(name.slice(0, 200))}"`,
        { hint: 'a name with a slash or NUL would reach outside the folder; tell the operator' },
      );
    const problem =
      unusable ??
      ((stat.size ?? 0) > Number.MAX_SAFE_INTEGER ? 'its size is beyond 2^53 bytes' : undefined);
    entries.push(
      problem === undefined
        ? new Listed(name, stat.kind, stat.size, stat.mtime, stat.mode)
        : { name, ...stat, problem },
    );
  }
  return count > 0 && entries.length === 0 ? dotsAlone : entries;
}

/** Whether the server sent the entry's type. */
export function isTyped(entry: RawEntry): entry is Entry {
  return entry.kind !== undefined;
}

/** Extensions offered in VERSION (draft-ietf-secsh-filexfer-02 §4), name to version; the first 64 are kept. */
export function readExtensions(reader: Reader): Map<string, string> {
  const extensions = new Map<string, string>();
  while (reader.left > 0 && extensions.size < 64) {
    const name = reader.text();
    extensions.set(name, reader.text());
  }
  return extensions;
}

/** Bytes that these attributes take as ATTRS. */
export function attributesLength(attributes: Attributes): number {
  return 4 + (attributes.mode === undefined ? 0 : 4) + (attributes.mtime === undefined ? 0 : 8);
}

/** Writes ATTRS and returns the offset after it. atime is set to mtime, since v3 sends both or neither. */
export function writeAttributes(out: Buffer, at: number, attributes: Attributes): number {
  const { mode, mtime } = attributes;
  let next = out.writeUInt32BE(
    (mode === undefined ? 0 : attribute.PERMISSIONS) |
      (mtime === undefined ? 0 : attribute.ACMODTIME),
    at,
  );
  if (mode !== undefined) next = out.writeUInt32BE(mode & 0o1777, next);
  if (mtime !== undefined) {
    const time = wireTime(mtime);
    next = out.writeUInt32BE(time, next);
    next = out.writeUInt32BE(time, next);
  }
  return next;
}

const names = new Map<number, string>(Object.entries(packet).map(([name, type]) => [type, name]));

/** A packet type's name in the draft. */
export function commandName(type: number): string {
  return names.get(type) ?? `packet type ${type}`;
}
