/**
 * Brings files back from the trash: each is copied under a temporary name and checked like any other
 * copy, then it gets its old name. The trash keeps its own until it is pruned. Nothing is overwritten
 * unless that is asked for, and what is overwritten then goes to the trash itself.
 */
import { Budget, each } from '../../../core/at-once.js';
import { join, parentOf, type Stat } from '../../../core/entry.js';
import { asFerryError, endsRun, FerryError } from '../../../core/errors.js';
import type { Job, TrashRules } from '../../../core/job.js';
import type { Endpoint } from '../../../endpoints/endpoint.js';
import { Buffers } from '../copy/buffers.js';
import { Flight } from '../copy/chunks.js';
import type { CopyContext } from '../copy/copy-context.js';
import { stageFile } from '../copy/copy-file.js';
import { publish } from '../copy/temporary.js';
import { markOf, temporaryPath } from '../copy/temporary-names.js';
import { leadsOut, within } from '../scan/links.js';
import type { Tally } from '../tally.js';
import type { Trashed } from './list-trash.js';
import { makeFolders } from './own-folders.js';
import { Trash } from './trash.js';

export interface RestoreRequest {
  readonly job: Job;
  /** Who writes, as in a run of the job. */
  readonly writer: string;
  /** The id under which the trash keeps what is overwritten. */
  readonly run: string;
  /** ms since the epoch. */
  readonly start: number;
  /** The side with the trash. */
  readonly from: Endpoint;
  readonly trash: TrashRules;
  /** Where the files go: the same endpoint, or a local folder. */
  readonly to: Endpoint;
  readonly entries: readonly Trashed[];
  /** Whether what exists is overwritten. */
  readonly force: boolean;
  /** What `bandwidthOf` returns. */
  readonly pass: () => CopyContext['pass'];
  readonly tally: Tally;
  readonly signal: AbortSignal;
}

/** Bytes in flight, files restored at once, and large ones among them. */
const bytesInFlight = 32 * 1024 * 1024;
const filesAtOnce = 64;
const largeFilesAtOnce = 16;
/** Tries for one file, after it changed or the connection was lost. */
const triesPerFile = 3;

/** Restores each entry; a failure of one is recorded in the tally, one that concerns all is thrown. */
export async function restore(request: RestoreRequest): Promise<void> {
  const { job, writer, run, start, from, to, tally, signal } = request;
  const orphans = new Set<string>();
  const context: CopyContext = {
    source: from,
    destination: to,
    writer,
    rules: { modes: 'source', verify: job.verify, fsync: job.fsync, start },
    budget: new Budget(bytesInFlight),
    buffers: new Buffers(),
    flight: new Flight(),
    largeFiles: new Budget(largeFilesAtOnce),
    get pass() {
      return request.pass();
    },
    signal,
    onBytes: () => {},
    leftovers: new Map(),
    isLive: undefined,
    orphans,
    doubts: undefined,
    times: undefined,
    trash: new Trash(to, request.trash, run, signal),
  };
  const restorer = new Restorer(request, context);
  try {
    await each(request.entries, filesAtOnce, async (entry) => {
      try {
        await restorer.bringBack(entry);
      } catch (thrown) {
        if (signal.aborted) throw signal.reason;
        const error = asFerryError(thrown);
        if (endsRun(error.kind)) throw error;
        tally.failWith(entry.path, error);
      }
    });
  } finally {
    if (!signal.aborted)
      await each(orphans, filesAtOnce, (path) => to.remove(path, signal).catch(() => {}));
  }
}

class Restorer {
  readonly #request: RestoreRequest;
  readonly #context: CopyContext;
  readonly #made = new Map<string, Promise<void>>();

  constructor(request: RestoreRequest, context: CopyContext) {
    this.#request = request;
    this.#context = context;
  }

  async bringBack(entry: Trashed): Promise<void> {
    const { to, tally, signal } = this.#request;
    const { path, stat } = entry;
    const began = performance.now();
    // first, so that nothing is looked at through a link either
    await makeFolders(to, parentOf(path), 0o777, this.#made, signal);
    const there = await to.stat(path, signal);
    if (there !== undefined) {
      if (isSame(stat, there)) {
        tally.unchanged++;
        return;
      }
      this.#checkReplaceable(path, there);
    }
    if (stat.kind === 'link') {
      await this.#link(entry, there);
      tally.copy(path, { bytes: 0, verified: 'size' }, began);
      return;
    }
    for (let attempt = 1; ; attempt++) {
      try {
        tally.copy(path, await this.#copy(entry, there), began);
        return;
      } catch (thrown) {
        const { kind } = asFerryError(thrown);
        const again = kind === 'network' || kind === 'changed';
        if (!again || attempt >= triesPerFile || signal.aborted) throw thrown;
      }
    }
  }

  #checkReplaceable(path: string, there: Stat): void {
    if (there.kind === 'folder')
      throw new FerryError('conflict', 'a folder with this name is there', {
        path,
        hint: 'restore it elsewhere with --to DIR',
      });
    if (!this.#request.force) throw exists(path);
  }

  async #copy({ folder, path, stat }: Trashed, there: Stat | undefined) {
    const from = join(join(this.#request.trash.dir, folder), path);
    const staged = await stageFile({ path, from, source: stat, destination: there }, this.#context);
    await this.#giveName(staged.temporary, path, there, (old) =>
      publish(staged, { path, destination: old }, this.#context),
    );
    return staged;
  }

  async #link({ folder, path }: Trashed, there: Stat | undefined): Promise<void> {
    const { from, trash, to, start, signal } = this.#request;
    const target = await from.readlink(join(join(trash.dir, folder), path), signal);
    const place = parentOf(path);
    if (within(place, target) === undefined || (await leadsOut(to, place, target, signal)))
      throw new FerryError('conflict', 'the link leads out of the folder, or is absolute', {
        path,
        hint: 'it stays in the trash',
      });
    const mark = markOf(this.#context.writer, [path, target]);
    const temporary = temporaryPath(path, mark, start);
    await to.symlink(target, temporary, signal);
    await this.#giveName(temporary, path, there, (old) =>
      publish({ temporary, mark, stored: undefined }, { path, destination: old }, this.#context),
    );
  }

  /** Without an old file the name is taken without replacing what has appeared there meanwhile. */
  async #giveName(
    temporary: string,
    path: string,
    there: Stat | undefined,
    replace: (old: Stat) => Promise<void>,
  ): Promise<void> {
    if (there !== undefined) {
      await replace(there);
      return;
    }
    try {
      await this.#request.to.rename(temporary, path, false, this.#request.signal);
    } catch (error) {
      this.#context.orphans.add(temporary);
      throw error instanceof FerryError && error.code === 'EEXIST' ? exists(path) : error;
    }
  }
}

function exists(path: string): FerryError {
  return new FerryError('conflict', 'something with this name exists', {
    path,
    hint: 'give --force to overwrite it (it then goes to the trash), or --to DIR',
  });
}

/** Whether a file was restored already, as far as size and time show. */
function isSame(a: Stat, b: Stat): boolean {
  return (
    a.kind === 'file' &&
    b.kind === 'file' &&
    a.size !== undefined &&
    a.size === b.size &&
    a.mtime !== undefined &&
    b.mtime !== undefined &&
    Math.floor(a.mtime) === Math.floor(b.mtime)
  );
}
