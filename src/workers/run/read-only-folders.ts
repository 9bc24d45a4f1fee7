/**
 * Folders at the destination that are read-only because the source's are (`modes: source`): an ordinary
 * account could not write into them a second time. Such a folder is made writable when something in it is
 * refused, and gets its mode back at the end.
 */
import { parentOf } from '../../core/entry.js';
import { FerryError } from '../../core/errors.js';
import { promised } from '../../core/promised.js';
import type { Endpoint } from '../../endpoints/endpoint.js';
import type { Side } from '../../endpoints/side.js';

/** The bits that a folder's owner needs to write into it. */
const writableBits = 0o700;
/** Giving the modes back takes no longer, in milliseconds, also when the run was stopped. */
const giveBackWithinMs = 5000;

export class ReadOnlyFolders {
  readonly side: Side;
  readonly #source: Endpoint;
  readonly #destination: Endpoint;
  /** Whether each folder that refused something was made writable. */
  readonly #opened = new Map<string, Promise<boolean>>();
  readonly #modes = new Map<string, number>();

  constructor(source: Endpoint, destination: Side) {
    this.#source = source;
    this.#destination = destination.endpoint;
    this.side = { ...destination, endpoint: this.#wrap(destination.endpoint) };
  }

  /** Gives the folders their modes back. Never rejects: another run finds them writable, which does no harm. */
  async giveBack(): Promise<void> {
    const signal = AbortSignal.timeout(giveBackWithinMs);
    const back = [...this.#modes].map(([path, mode]) =>
      this.#destination.setStat(path, { mode }, signal),
    );
    await Promise.allSettled(back);
  }

  #wrap(side: Endpoint): Endpoint {
    return {
      ...side,
      open: (path, mode, permissions, signal, beside) =>
        this.#again([path], signal, () => side.open(path, mode, permissions, signal, beside)),
      mkdir: (path, permissions, signal) =>
        this.#again([path], signal, () => side.mkdir(path, permissions, signal)),
      rename: (from, to, replace, signal, isOurs) =>
        this.#again([from, to], signal, () => side.rename(from, to, replace, signal, isOurs)),
      link: (from, to, signal) => this.#again([to], signal, () => side.link(from, to, signal)),
      remove: (path, signal, isIt) =>
        this.#again([path], signal, () => side.remove(path, signal, isIt)),
      rmdir: (path, signal) => this.#again([path], signal, () => side.rmdir(path, signal)),
      symlink: (target, path, signal) =>
        this.#again([path], signal, () => side.symlink(target, path, signal)),
    };
  }

  /** Does something in the folders of `paths`; if that is refused and a folder could be made writable, once more. */
  #again<T>(paths: readonly string[], signal: AbortSignal, act: () => Promise<T>): Promise<T> {
    return promised(act).catch(async (error) => {
      if (!(error instanceof FerryError) || error.code !== 'EACCES') throw error;
      const opened = await Promise.all(
        paths.map((path) => {
          const folder = parentOf(path);
          const before = this.#opened.get(folder) ?? this.#makeWritable(folder, signal);
          this.#opened.set(folder, before);
          return before;
        }),
      );
      if (!opened.includes(true)) throw error;
      return act();
    });
  }

  /** Only a folder that is read-only on both sides: somebody may have had a reason for another. */
  async #makeWritable(folder: string, signal: AbortSignal): Promise<boolean> {
    try {
      const [ours, theirs] = await Promise.all(
        [this.#source, this.#destination].map((side) => side.stat(folder, signal)),
      );
      if (ours?.mode === undefined || (ours.mode & 0o200) !== 0) return false;
      if (theirs?.mode === undefined || (theirs.mode & 0o200) !== 0) return false;
      const mode = theirs.mode & 0o777;
      await this.#destination.setStat(folder, { mode: mode | writableBits }, signal);
      this.#modes.set(folder, mode);
      return true;
    } catch {
      return false;
    }
  }
}
