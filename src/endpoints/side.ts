/** One side of a job once it is open, and what local and remote sides have in common when they open. */
import type { Stat } from '../core/entry.js';
import { FerryError } from '../core/errors.js';
import type { Location } from '../core/job.js';
import { escapeText } from '../core/text.js';
import type { Endpoint } from './endpoint.js';
import type { Reach } from './local/folder-handles.js';

/**
 * The source (`from`) or the destination (`to`) of a job. `file` is the destination of one file, whose new
 * name it is unless a folder is there.
 */
export type SideRole = 'from' | 'to' | 'file';

export interface Side {
  readonly endpoint: Endpoint;
  /** If the side is a single file: its name, which exists unless this is a destination; the endpoint's root is then its folder. */
  readonly only: string | undefined;
  /** False where nothing can show that its paths lie below their root: a server without REALPATH, a machine on which open folders are no paths. */
  readonly isConfined: boolean;
  /** Whether there was nothing at its root when it was opened. */
  readonly isMissing: boolean;
  /** Creates the missing folders of a destination's root, but neither a remote's `root` nor a local root's parent. */
  makeRoot(signal: AbortSignal): Promise<void>;
  /** The same side with another absolute root; closed with this one's endpoint. */
  elsewhere(root: string, label: string): Endpoint;
  /**
   * Renames a file of this side to a free name on another side of the same machine. If the reply is lost,
   * `isOurs` says whether what is at the new name is the file, as in `Endpoint.rename`.
   */
  moveTo(
    other: Side,
    from: string,
    to: string,
    signal: AbortSignal,
    isOurs: (there: Stat) => boolean,
  ): Promise<void>;
  /** What has become of its root since it was opened, if that is no longer there: `is gone`. A server does not show that another folder has its name. */
  lost(signal: AbortSignal): Promise<string | undefined>;
  /** How a local side's paths are reached; undefined for a remote one. */
  readonly reach: Reach | undefined;
}

/** The label of the folder of a side that is one file: `archive:www` for `archive:www/a.txt`. */
export function folderLabel({ label }: Location, file: string): string {
  if (!label.endsWith(file)) return label;
  const above = label.slice(0, -file.length);
  if (above === '') return '.';
  return /^\/$|:\/?$/.test(above) ? above : above.replace(/\/$/, '');
}

/** The error for a destination that is a file. */
export function notAFolder({ label }: Location): FerryError {
  return new FerryError('config', `${escapeText(label)} is a file, not a folder`, {
    hint: 'FROM goes into the folder TO; name a folder',
  });
}
