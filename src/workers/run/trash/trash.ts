/**
 * The trash of a run: what is deleted and what copies replace, as TRASH/RUN/path. A file that is
 * replaced is kept before the new one gets its name, in the way that costs least: a hard link, a copy
 * that the side makes itself, a copy through us. Where a side can't replace a file in one step, and
 * makes no hard links, the old file is set aside first and moved here afterwards.
 */
import { join, parentOf, type Stat } from '../../../core/entry.js';
import { asFerryError, FerryError } from '../../../core/errors.js';
import type { TrashRules } from '../../../core/job.js';
import { escapeText } from '../../../core/text.js';
import type { Endpoint } from '../../../endpoints/endpoint.js';
import type { Snapshot } from '../../../jobs/plan/plan.js';
import { agrees, changedThere } from '../copy/agrees.js';
import { type CopyContext, insideOf, type OldFiles } from '../copy/copy-context.js';
import { copyFile } from '../copy/copy-file.js';
import { makeFolders } from './own-folders.js';
import { trashFolder } from './trash-names.js';

/** Run folders tried (RUN, RUN.1, RUN.2 …) if another file has the name already: a run may be tried again. */
const foldersTried = 100;
/** After this many hard links that a server said it made, or does not support, no more are asked for. */
const lackProvenBy = 3;
/** Of a run's folders: what others may not read should not become readable because it was deleted. */
const folderPermissions = 0o700;
/** Errors that concern the trash as a whole, so that another way of keeping the file can't help. */
const noRoom: readonly (string | undefined)[] = ['ENOSPC', 'EDQUOT', 'EROFS'];

type Kept = 'kept' | 'taken';

interface Taken {
  readonly from: string;
  readonly target: string;
  readonly path: string;
  readonly seen: Snapshot;
}

export class Trash implements OldFiles {
  readonly #side: Endpoint;
  readonly #rules: TrashRules;
  readonly #run: string;
  readonly #signal: AbortSignal;
  readonly #made = new Map<string, Promise<void>>();
  #lacksFound = 0;

  constructor(side: Endpoint, rules: TrashRules, run: string, signal: AbortSignal) {
    this.#side = side;
    this.#rules = rules;
    this.#run = run;
    this.#signal = signal;
  }

  async keep(path: string, seen: Snapshot, context: CopyContext): Promise<'kept' | 'aside'> {
    try {
      return await this.#eachFolder(path, (target) => this.#keepAt(path, target, seen, context));
    } catch (thrown) {
      throw this.#notKept(path, thrown);
    }
  }

  async take(from: string, path: string, seen?: Snapshot): Promise<void> {
    try {
      await this.#eachFolder(path, async (target): Promise<Kept> => {
        try {
          const isIt = seen && ((there: Stat) => agrees(there, seen));
          await this.#side.rename(from, target, false, this.#signal, isIt);
          if (seen !== undefined) await this.#lookAt({ from, target, path, seen });
          return 'kept';
        } catch (error) {
          if (codeOf(error) === 'EEXIST') return 'taken';
          throw error;
        }
      });
    } catch (thrown) {
      throw this.#notKept(path, thrown);
    }
  }

  /** Moves back what is not what was seen: the look comes after the rename, so that nothing can come between. */
  async #lookAt({ from, target, path, seen }: Taken): Promise<void> {
    const there = await this.#side.stat(target, this.#signal);
    if (there === undefined)
      throw new FerryError('io', 'the server says that it moved the file there, but it did not', {
        path,
      });
    if (agrees(there, seen)) return;
    await this.#side.rename(target, from, false, this.#signal);
    throw changedThere(path);
  }

  /** Calls `keep` with the path in each folder of the run until the name is free there. */
  async #eachFolder<T extends string>(
    path: string,
    keep: (target: string) => Promise<T | 'taken'>,
  ): Promise<T> {
    for (let n = 0; n < foldersTried; n++) {
      const target = join(join(this.#rules.dir, trashFolder(this.#run, n)), path);
      await this.#makeFolders(this.#rules.dir, 0o777);
      await this.#makeFolders(parentOf(target), folderPermissions);
      const done = await keep(target);
      if (done !== 'taken') return done as T;
    }
    throw new FerryError('io', `${foldersTried} files of this name are there already`, { path });
  }

  #makeFolders(path: string, permissions: number): Promise<void> {
    return makeFolders(this.#side, path, permissions, this.#made, this.#signal);
  }

  async #keepAt(
    path: string,
    target: string,
    seen: Snapshot,
    context: CopyContext,
  ): Promise<Kept | 'aside'> {
    const { can } = this.#side;
    if (seen.kind === 'link') return this.#copyLink(path, target);
    if (can.hardLinks) {
      const linked = await this.#link(path, target, seen);
      if (linked !== 'refused') return linked;
    }
    return can.atomicReplace ? this.#copy(path, target, context) : 'aside';
  }

  async #link(path: string, target: string, seen: Snapshot): Promise<Kept | 'refused'> {
    const { can } = this.#side;
    let made: Stat;
    try {
      made = await this.#side.link(path, target, this.#signal);
    } catch (error) {
      const code = codeOf(error);
      if (code === undefined || noRoom.includes(code)) throw error;
      if (code === 'EEXIST') return this.#isKept(path, target);
      if (code === 'ENOTSUP' && ++this.#lacksFound >= lackProvenBy) can.hardLinks = false;
      return 'refused';
    }
    if (agrees(made, seen) || agrees(made, await this.#side.stat(path, this.#signal)))
      return 'kept';
    // something else is there, whatever the server said: its hard links can't be relied on
    can.hardLinks = false;
    return 'taken';
  }

  /** Whether the file in the trash is the one at the path: an earlier try of this run may have kept it. */
  async #isKept(path: string, target: string): Promise<Kept> {
    const [now, there] = await Promise.all(
      [path, target].map((at) => this.#side.stat(at, this.#signal)),
    );
    return there !== undefined && agrees(there, now) ? 'kept' : 'taken';
  }

  async #copy(path: string, target: string, context: CopyContext): Promise<Kept> {
    const [now, there] = await Promise.all(
      [path, target].map((at) => this.#side.stat(at, this.#signal)),
    );
    // somebody has removed it since the scan
    if (now === undefined) return 'kept';
    if (there !== undefined) return agrees(there, now) ? 'kept' : 'taken';
    if (now.kind === 'link') return this.#copyLink(path, target);
    const request = { path: target, from: path, source: now, destination: undefined };
    await copyFile(request, insideOf(context));
    return 'kept';
  }

  async #copyLink(path: string, target: string): Promise<Kept> {
    const leadsTo = await this.#side.readlink(path, this.#signal);
    try {
      await this.#side.symlink(leadsTo, target, this.#signal);
      return 'kept';
    } catch (error) {
      if (codeOf(error) === 'EEXIST') return 'taken';
      throw error;
    }
  }

  #notKept(path: string, thrown: unknown): FerryError {
    const error = asFerryError(thrown);
    if (error.kind !== 'io') return error;
    const where = escapeText(this.#rules.dir);
    return new FerryError('io', `the old file can't be kept in the trash: ${error.message}`, {
      path,
      cause: error,
      hint: `nothing was overwritten or deleted; check the folder ${where} at the destination, or set \`trash: false\``,
      ...(error.code === undefined ? {} : { code: error.code }),
    });
  }
}

function codeOf(error: unknown): string | undefined {
  return error instanceof FerryError && error.kind === 'io' ? (error.code ?? 'EIO') : undefined;
}
