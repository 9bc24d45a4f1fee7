/**
 * An entry: one file, folder or link below a root, as a listing or a stat shows it, and the paths and
 * names of entries.
 */

export type Kind = 'file' | 'folder' | 'link' | 'special';

/** The attributes of one file, folder, link or special file. */
export interface Stat {
  readonly kind: Kind;
  /** Bytes; undefined when the side does not report it (an SFTP server may leave SIZE out). */
  readonly size: number | undefined;
  /** Seconds since the epoch, with a fraction if the side has one; undefined when the side reports none. */
  readonly mtime: number | undefined;
  /** Permission bits, set-id and sticky included (0o7777); undefined when the side reports none that mean anything. */
  readonly mode: number | undefined;
  /** If known: identifies this file, so that one that replaces it differs (inode and change time). */
  readonly identity?: string;
  /** If known: the device, the inode's number there, and when it was made, ms since the epoch. A rename keeps them; a new file may get an old number. */
  readonly device?: number;
  readonly inode?: number;
  readonly born?: number;
}

/** A stat with its name inside one folder. */
export interface Entry extends Stat {
  readonly name: string;
  /** Why this entry cannot be copied, such as a name that is not valid UTF-8; it is reported and never touched. */
  readonly problem?: string;
}

/** Attributes to set; an absent one is left alone. */
export interface Attributes {
  /** Permission bits; set-id bits are never sent. */
  readonly mode?: number;
  /** Seconds since the epoch. */
  readonly mtime?: number;
}

/** Joins a folder's relative path (`''` is the root) and a name. */
export function join(folder: string, name: string): string {
  return folder === '' ? name : `${folder}/${name}`;
}

/** The folder part of a relative path; `''` for a name at the root. */
export function parentOf(path: string): string {
  const at = path.lastIndexOf('/');
  return at < 0 ? '' : path.slice(0, at);
}

/** The last segment of a relative path. */
export function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** The folder for ferryline's own files on a side (trash, records). Reserved on both sides. */
export const reservedFolder = '.ferryline';

// `.NAME.<fingerprint>.<start>-<random>.ferrypart`, `.NAME.<fingerprint>.ferryold`; older versions wrote
// fingerprints of sixteen digits
const ours =
  /^\..*\.(?:[0-9a-f]{16}|[0-9a-f]{24})\.(?:[0-9a-z]{6,9}-[0-9a-z]{8}\.ferrypart|ferryold)$/s;

/** Whether a name has exactly the form of ferryline's temporary and set-aside files (see workers/run/copy/temporary-names.ts). */
export function isOurs(name: string): boolean {
  return name.endsWith('.ferrypart') || name.endsWith('.ferryold') ? ours.test(name) : false;
}

/** Compares two strings by their UTF-8 bytes (surrogates sort after the rest of the basic plane). */
export function byBytes(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x !== y) {
      const lift = (c: number) => (c >= 0xd800 && c <= 0xdfff ? c + 0x10000 : c);
      return lift(x) - lift(y);
    }
  }
  return a.length - b.length;
}
