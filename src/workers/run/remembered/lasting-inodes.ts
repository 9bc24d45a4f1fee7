/** Which file systems below a local source number their files for good. */
import { lstatSync, statfsSync } from 'node:fs';
import { join } from 'node:path';

/**
 * What statfs(2) calls those that do: ext2 to ext4, XFS, Btrfs, ZFS, F2FS, bcachefs, tmpfs. FAT and exFAT number
 * files as they are looked at, FUSE and network file systems as they like.
 */
const lasting = new Set([
  0xef53, 0x58465342, 0x9123683e, 0x2fc12fc1, 0xf2f52010, 0xca451a4e, 0x01021994,
]);

export class LastingInodes {
  readonly #root: string;
  readonly #byDevice = new Map<number, boolean>();

  /** `root`: the source's folder. */
  constructor(root: string) {
    this.#root = root;
  }

  /** Whether a file keeps its number on this device, which the file at `path` is on. */
  has(device: number, path: string): boolean {
    let has = this.#byDevice.get(device);
    if (has !== undefined) return has;
    const at = join(this.#root, path);
    try {
      // another file system may have come there since
      if (lstatSync(at).dev !== device) return false;
      has = lasting.has(statfsSync(at).type >>> 0);
    } catch {
      return false;
    }
    this.#byDevice.set(device, has);
    return has;
  }
}
