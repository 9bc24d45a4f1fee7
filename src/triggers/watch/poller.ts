/**
 * Watches folders by looking at them again and again, for file systems that report no events. For
 * folder-tree.ts it is a watch like that of folder-watch.ts: an event says where to look, no more.
 */
import type { Stats } from 'node:fs';
import { lstat, readdir } from 'node:fs/promises';
import { each } from '../../core/at-once.js';
import { folderIdentity } from './file-state.js';
import type { FolderEvents, FolderWatch } from './folder-watch.js';

/** Folders that are listed at once, and entries of each that are looked at. */
const foldersAtOnce = 4;
const entriesAtOnce = 32;
/** The pause after a round is at least this many times as long as the round: a large tree is polled more rarely. */
const pausePerRound = 3;

interface PolledFolder {
  readonly path: string;
  readonly events: FolderEvents;
  /** What the last look saw: of each name, a text that differs when the entry does. */
  entries: ReadonlyMap<string, string> | undefined;
  /** Differs for another folder of the same path. */
  identity: string | undefined;
  closed: boolean;
}

export class Poller {
  readonly #everyMs: number;
  readonly #folders = new Set<PolledFolder>();
  #timer: NodeJS.Timeout | undefined;

  /** `everyMs`: between two looks at a folder. */
  constructor(everyMs: number) {
    this.#everyMs = everyMs;
  }

  /** Begins to poll a folder, without those below it; an absolute path. */
  watch(path: string, events: FolderEvents): FolderWatch {
    const folder: PolledFolder = {
      path,
      events,
      entries: undefined,
      identity: undefined,
      closed: false,
    };
    this.#folders.add(folder);
    this.#timer ??= this.#later(this.#everyMs);
    return {
      on: this.#look(folder),
      close: () => {
        folder.closed = true;
        this.#folders.delete(folder);
        if (this.#folders.size > 0) return;
        clearTimeout(this.#timer);
        this.#timer = undefined;
      },
    };
  }

  #later(ms: number): NodeJS.Timeout {
    const timer = setTimeout(() => void this.#round(timer), ms);
    return timer;
  }

  /** Looks at all folders, then waits. */
  async #round(timer: NodeJS.Timeout): Promise<void> {
    const begun = performance.now();
    await each([...this.#folders], foldersAtOnce, (folder) => this.#look(folder));
    const took = performance.now() - begun;
    // unless all folders are closed, or were and others are polled since
    if (this.#timer === timer)
      this.#timer = this.#later(Math.max(this.#everyMs, took * pausePerRound));
  }

  /** Looks at a folder and reports what differs from the last look; never rejects. */
  async #look(folder: PolledFolder): Promise<void> {
    if (folder.closed) return;
    const { events } = folder;
    let now: ReadonlyMap<string, string>;
    let identity: string;
    try {
      identity = folderIdentity(await lstat(folder.path));
      now = await this.#entriesOf(folder);
    } catch (thrown) {
      const error = thrown as NodeJS.ErrnoException;
      if (folder.closed) return;
      if (error.code === 'ENOENT' || error.code === 'ENOTDIR') events.itself();
      else events.error(error);
      return;
    }
    if (folder.closed) return;
    // Two looks may cross: what is compared is what is known by now.
    const before = folder.entries;
    const isOther = folder.identity !== undefined && folder.identity !== identity;
    folder.identity = identity;
    folder.entries = now;
    if (isOther) events.itself();
    if (before === undefined || folder.closed) return;
    for (const [name, state] of now) if (before.get(name) !== state) events.entry(name);
    for (const name of before.keys()) if (!now.has(name)) events.entry(name);
  }

  async #entriesOf({ path, entries: before }: PolledFolder): Promise<ReadonlyMap<string, string>> {
    const states = new Map<string, string>();
    await each(await readdir(path), entriesAtOnce, async (name) => {
      try {
        states.set(name, stateOf(await lstat(`${path}/${name}`)));
      } catch (thrown) {
        // One that can't be looked at is as it was; one that is gone is left out.
        const { code } = thrown as NodeJS.ErrnoException;
        const known = before?.get(name);
        if (code !== 'ENOENT' && known !== undefined) states.set(name, known);
      }
    });
    return states;
  }
}

/** A file's times say nothing about changes later in the same step of its file system's clock: two seconds at most. */
const coarsestStepMs = 2000;

/** Of a folder only whether it is the same one: what happens in it is seen there. Some of these file systems number their files anew, so that a file's number says nothing. */
function stateOf(stats: Stats): string {
  if (stats.isDirectory()) return folderIdentity(stats);
  const { size, mtimeMs, ctimeMs } = stats;
  const isCoarse = mtimeMs % 1000 === 0 && ctimeMs % 1000 === 0;
  const isFresh = isCoarse && Math.abs(Date.now() - ctimeMs) < coarsestStepMs;
  return `${size} ${mtimeMs} ${ctimeMs}${isFresh ? ' fresh' : ''}`;
}
