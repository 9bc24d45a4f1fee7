/** Lists a tree before it is asked for, until the first question, or until there is enough. */
import { type Entry, join } from '../../core/entry.js';

/** It ends once this many folders are listed and not yet asked for, or they hold this many entries in all. */
const mostFolders = 512;
const mostEntries = 100_000;

type ListFolder = (path: string) => Promise<Entry[]>;

export class ListAhead {
  readonly #list: ListFolder;
  readonly #atOnce: number;
  /** Folders that were listed ahead and not yet asked for. */
  readonly #listed = new Map<string, Promise<Entry[]>>();
  /** Folders to list. */
  readonly #coming: string[] = [];
  #running = 0;
  #entries = 0;
  #stopped = false;

  /** Lists folders by `list`, at most `atOnce` at a time. */
  constructor(list: ListFolder, atOnce: number) {
    this.#list = list;
    this.#atOnce = atOnce;
  }

  start(path: string): void {
    this.#coming.push(path);
    this.#next();
  }

  /** The folder's listing, if it has begun. The first call ends listing ahead, since the caller now asks in its own order. */
  take(path: string): Promise<Entry[]> | undefined {
    this.#stopped = true;
    const listing = this.#listed.get(path);
    this.#listed.delete(path);
    return listing;
  }

  stop(): void {
    this.#stopped = true;
  }

  #next(): void {
    while (this.#running < this.#atOnce && !this.#stopped) {
      const path = this.#coming.shift();
      const enough = this.#listed.size >= mostFolders || this.#entries >= mostEntries;
      if (path === undefined || enough) return;
      this.#running++;
      const listing = this.#list(path);
      this.#listed.set(path, listing);
      listing.then(
        (entries) => {
          this.#running--;
          this.#entries += entries.length;
          for (const { name, kind } of entries)
            if (kind === 'folder') this.#coming.push(join(path, name));
          this.#next();
        },
        () => {
          this.#running--; // rejections are handled by the awaiting caller
          this.#next();
        },
      );
    }
  }
}
