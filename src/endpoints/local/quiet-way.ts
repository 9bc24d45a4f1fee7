/**
 * Shows that a folder's text has led to the folder all along: no name on the way to it was changed. A
 * listing may then look at a folder's entries by their text, which takes the kernel half as long as by
 * the folder's handle; one that can't be shown to have been quiet is made anew by the handle.
 *
 * What takes a folder's place (a rename, an exchange, a link, a removal) changes its parent's ctime, which
 * nobody can set. So the way was quiet if each folder above, from `/` on, is the same with the same ctime
 * afterwards as before: `/` has no other place, hence the next one had none, and so on.
 */
import fs from 'node:fs';

/** A change within this many milliseconds may get the same ctime: the kernel's clock for it advances by up to 10. */
const sameTickMs = 30;
/** Records kept; then all are taken anew. */
const mostRecords = 4096;
/** Folders left out after one to which the way was not quiet, since a list in vain costs twice. */
const leftOutAfterNoise = 32;

/** File systems that keep ctimes themselves and at once: ext, xfs, btrfs, tmpfs, overlay, f2fs, zfs. */
const ownTimes: ReadonlySet<number> = new Set([
  0xef53, 0x58465342, 0x9123683e, 0x01021994, 0x794c7630, 0xf2f52010, 0x2fc12fc1,
]);

export class QuietWay {
  /** By absolute path: device, inode and ctime of a folder when it was looked at first. */
  readonly #records = new Map<string, string>();
  readonly #devices = new Map<number, boolean>();
  #leftOut = 0;

  /** Lists by `listAt` with the folder's text and `/` if the way to it stays quiet meanwhile; else undefined. `handle` is a path to the folder itself. */
  list<T>(text: string, handle: string, listAt: (prefix: string) => T): T | undefined {
    if (this.#leftOut > 0) {
      this.#leftOut--;
      return undefined;
    }
    const listed = this.#list(text, handle, listAt);
    if (listed === undefined) this.#leftOut = leftOutAfterNoise;
    return listed;
  }

  #list<T>(text: string, handle: string, listAt: (prefix: string) => T): T | undefined {
    const above = foldersAbove(text);
    if (this.#records.size > mostRecords) this.#records.clear();
    try {
      if (!above.every((path) => this.#records.has(path) || this.#record(path))) return undefined;
      const [here, there] = [fs.statSync(handle), fs.lstatSync(text)];
      if (here.ino !== there.ino || here.dev !== there.dev) return undefined;
      const listed = listAt(`${text}/`);
      return above.every((path) => this.#isAsRecorded(path)) ? listed : undefined;
    } catch {
      return undefined; // the list by the handle says what is wrong
    }
  }

  #record(path: string): boolean {
    const stats = fs.lstatSync(path);
    const age = Date.now() - stats.ctimeMs;
    if (!stats.isDirectory() || age < sameTickMs || !this.#keepsTimes(path, stats.dev))
      return false;
    this.#records.set(path, identity(stats));
    return true;
  }

  #isAsRecorded(path: string): boolean {
    if (identity(fs.lstatSync(path)) === this.#records.get(path)) return true;
    this.#records.delete(path);
    return false;
  }

  #keepsTimes(path: string, device: number): boolean {
    let keeps = this.#devices.get(device);
    if (keeps === undefined) {
      keeps = ownTimes.has(fs.statfsSync(path).type);
      this.#devices.set(device, keeps);
    }
    return keeps;
  }
}

function identity({ dev, ino, ctimeMs }: fs.Stats): string {
  return `${dev}:${ino}:${ctimeMs}`;
}

/** `/`, `/a` and `/a/b` for `/a/b/c`. */
function foldersAbove(path: string): string[] {
  const above = ['/'];
  for (let at = path.indexOf('/', 1); at > 0; at = path.indexOf('/', at + 1))
    above.push(path.slice(0, at));
  return above;
}
