/**
 * Writes entries at the destination: folders, copies, links, attributes. An error of one path goes
 * into the tally; an error that concerns the whole run stops it. What to write, and in which order,
 * is decided by transfer.ts and replace-entry.ts.
 */
import { each, requestsAtOnce } from '../../../core/at-once.js';
import { parentOf, type Stat } from '../../../core/entry.js';
import { asFerryError, endsRun, FerryError } from '../../../core/errors.js';
import type { Job } from '../../../core/job.js';
import { promised } from '../../../core/promised.js';
import { ignoreRefusal } from '../../../endpoints/set-stat-refusal.js';
import {
  asPlain,
  type Copy,
  type Link,
  type Mkdir,
  type PutBack,
  type SetAttributes,
} from '../../../jobs/plan/plan.js';
import { agrees, changedThere, changedThereCode } from '../copy/agrees.js';
import type { Copied, CopyContext, CopyRequest } from '../copy/copy-context.js';
import { copyFile } from '../copy/copy-file.js';
import { deniedAt } from '../copy/denied.js';
import { mayGoInSteps } from '../copy/temporary.js';
import { markOf, temporaryPath } from '../copy/temporary-names.js';
import type { TransferProgress } from '../progress.js';
import type { Tally } from '../tally.js';
import { mayBeGone, provenGone, Vanished } from '../vanished.js';
import type { AfterAction } from './after.js';
import type { Proven, SharedSources } from './shared-sources.js';

export interface EntryWriterParts {
  readonly job: Job;
  readonly context: CopyContext;
  readonly tally: Tally;
  readonly progress: TransferProgress;
  /** Aborted with an error that ends the run. */
  readonly stop: AbortController;
  readonly after: AfterAction | undefined;
  /** Undefined where each source file has one path. */
  readonly shared: SharedSources | undefined;
}

/** The bits of a folder's mode that we need to write into it. */
const writableBits = 0o700;
/** Tries for one file: the first, and further ones after it changed or the connection was lost. */
const triesPerFile = 4;

/** Whether we can write into a folder of this mode. */
export const isWritable = (mode: number) => (mode & writableBits) === writableBits;

export class EntryWriter {
  readonly #job: Job;
  readonly #context: CopyContext;
  readonly #tally: Tally;
  readonly #progress: TransferProgress;
  readonly #stop: AbortController;
  readonly #after: AfterAction | undefined;
  readonly #shared: SharedSources | undefined;
  /** Folders that exist and do not have their final mode yet. */
  #made: Mkdir[] = [];

  constructor({ job, context, tally, progress, stop, after, shared }: EntryWriterParts) {
    this.#job = job;
    this.#context = context;
    this.#tally = tally;
    this.#progress = progress;
    this.#stop = stop;
    this.#after = after;
    this.#shared = shared;
  }

  /** Runs the work on one path. An error that concerns only this path is recorded; any other ends the run. */
  guarded(path: string, work: () => Promise<void>): Promise<void> {
    return promised(work).then(
      () => this.#step(),
      (thrown) => {
        this.#fail(path, thrown);
        this.#step();
      },
    );
  }

  /** Records what failed; throws if that ends the run. */
  #fail(path: string, thrown: unknown): void {
    const { signal } = this.#context;
    if (signal.aborted) throw signal.reason;
    if (thrown instanceof Vanished) {
      this.#tally.vanish(path);
      this.#progress.drop(thrown.bytes);
      return;
    }
    const error = asFerryError(thrown);
    if (endsRun(error.kind)) {
      this.#stop.abort(error);
      throw error;
    }
    this.#tally.failWith(path, error);
  }

  /** What a run that is ended did not do is not done. */
  #step(): void {
    if (!this.#context.signal.aborted) this.#progress.step();
  }

  /** Requests without file data that are sent to the destination together. */
  get #atOnce(): number {
    return requestsAtOnce(this.#context.destination.can.roundTrip);
  }

  /** Makes folders level by level, since each needs its parent. */
  async makeFolders(mkdirs: readonly Mkdir[]): Promise<void> {
    const levels = new Map<number, Mkdir[]>();
    for (const mkdir of mkdirs) {
      const depth = mkdir.path.split('/').length;
      levels.set(depth, [...(levels.get(depth) ?? []), mkdir]);
    }
    for (const depth of [...levels.keys()].sort((a, b) => a - b))
      await each(levels.get(depth) ?? [], this.#atOnce, (mkdir) => this.makeFolder(mkdir));
  }

  async makeFolder(mkdir: Mkdir): Promise<void> {
    const { path, mode } = mkdir;
    const { destination, signal } = this.#context;
    await this.guarded(path, async () => {
      // writable while files go into it; setFolderModes gives it its own mode later
      const permissions = this.#folderMode(mode) ?? 0o777;
      await destination.mkdir(path, permissions | writableBits, signal).catch(async (error) => {
        const there = await destination.stat(path, signal);
        if (there?.kind !== 'folder')
          throw deniedAt(destination, parentOf(path), 'written to', error);
      });
      this.#made.push(mkdir);
      this.#tally.file('mkdir', path);
    });
  }

  #folderMode(mode: number | undefined): number | undefined {
    const { modes } = this.#job;
    if (modes !== 'server' && modes !== 'source') return modes.folders;
    return modes === 'server' || mode === undefined ? undefined : mode & 0o777;
  }

  /**
   * Sets the final mode of the new folders whose mode `which` accepts: the server's umask may have
   * removed bits, and a read-only folder had to be writable until its contents were written.
   */
  async setFolderModes(which: (mode: number) => boolean): Promise<void> {
    const { destination, signal } = this.#context;
    if (destination.can.setStat === 'none') return;
    const modeOf = (mkdir: Mkdir) => this.#folderMode(mkdir.mode);
    const isNow = (mkdir: Mkdir) => which(modeOf(mkdir) ?? writableBits);
    const now = this.#made.filter(isNow);
    this.#made = this.#made.filter((mkdir) => !isNow(mkdir));
    await each(now.reverse(), this.#atOnce, async (mkdir) => {
      const mode = modeOf(mkdir);
      if (mode === undefined) return;
      await destination.setStat(mkdir.path, { mode }, signal).catch((error) => {
        // the folder exists; a server that refuses modes is no failure
        if (asFerryError(error).kind !== 'io') throw error;
      });
    });
  }

  async copyAll(copies: readonly (Copy | Link)[]): Promise<void> {
    this.#progress.start(copies);
    await each(copies, filesAtOnce(this.#job, this.#context), (copy) =>
      this.guarded(copy.path, () =>
        copy.action === 'link' ? this.makeLink(copy) : this.#copy(copy),
      ),
    );
  }

  #copy(copy: Copy): Promise<void> {
    const began = performance.now();
    const { path, from, rename } = copy;
    const work = (request: Copy) => copyFile(request, this.#context);
    const copying =
      rename === undefined
        ? this.retried(copy, work)
        : renameCase(this.#context, rename, copy).then(() => this.retried(copy, work));
    return copying.then((copied) => {
      this.#tally.copy(path, copied, began);
      this.#progress.resize(copied.bytes - (copy.source.size ?? 0));
      // one that grows stays at the source, where the next run finds it
      if (copied.grew || this.#after === undefined) return undefined;
      return this.handleSource(from, { path, seen: copied.source, readAt: copied.readAt });
    });
  }

  /** Does with a source file what the job's `after` says, once all paths that lead to it are proven. */
  async handleSource(from: string, one: Proven): Promise<void> {
    if (this.#after === undefined) return;
    const all = this.#shared === undefined ? one : this.#shared.done(from, one);
    if (all === undefined) return;
    const { path, seen, readAt } = all;
    const { source, signal } = this.#context;
    try {
      const end = await this.#after(path, from, seen, readAt);
      if (end === 'held') this.#tally.held++;
      if (end === 'grown') this.#tally.notGuaranteed.add('live');
    } catch (error) {
      if (!mayBeGone(error, from) || !(await provenGone(source, from, signal))) throw error;
      this.#tally.vanish(path);
    }
  }

  /** Tries `work` again, with a new stat of the source, after the source changed or the connection was lost. Rejects with `Vanished` if the source file is gone. */
  retried<T extends Copied>(copy: Copy, work: (request: Copy) => Promise<T>): Promise<T> {
    const { source, signal } = this.#context;
    const attempt = (request: Copy, number: number): Promise<T> =>
      promised(() => work(request)).catch(async (thrown) => {
        if (signal.aborted) throw signal.reason;
        const error = asFerryError(thrown);
        const isLast = number >= triesPerFile;
        const ofSource = error.kind === 'changed' && error.code !== changedThereCode;
        const here = ofSource || mayBeGone(error, copy.from);
        const again = here || (error.kind === 'network' && !isLast);
        const now = again ? await source.stat(copy.from, signal) : undefined;
        if (again && now === undefined) throw await this.#gone(copy);
        if (now === undefined || isLast) throw error.path === undefined ? error.at(copy) : error;
        return attempt({ ...asPlain(copy), source: now }, number + 1);
      });
    return attempt(copy, 1);
  }

  /** The error for a copy whose source has nothing at its path. */
  async #gone({ from, source: { size } }: Copy): Promise<Vanished | FerryError> {
    const { source, signal } = this.#context;
    if (await provenGone(source, from, signal)) return new Vanished(size ?? 0);
    return new FerryError('io', 'it is gone from the source together with its folder', {
      path: from,
      hint: 'nothing was deleted; the next run finds out what is left',
    });
  }

  async makeLink(link: Link): Promise<void> {
    const { destination, rules, signal } = this.#context;
    const began = performance.now();
    if (link.destination === undefined && rules.existing === 'skip') {
      // SYMLINK replaces nothing
      await destination.symlink(link.target, link.path, signal).catch((thrown) => {
        const error = asFerryError(thrown);
        throw error.code === 'EEXIST' ? changedThere(link.path) : error;
      });
      this.#tally.copy(link.path, { bytes: 0, verified: 'size' }, began);
      return;
    }
    const mark = markOf(this.#context.writer, [link.path, link.target]);
    const temporary = temporaryPath(link.path, mark, rules.start);
    await destination.symlink(link.target, temporary, signal);
    try {
      const { atomicReplace } = destination.can;
      if (link.destination !== undefined)
        await this.#context.trash?.keep(link.path, link.destination, this.#context);
      const replaceInSteps = async () => {
        await destination.remove(link.path, signal);
        await destination.rename(temporary, link.path, false, signal);
      };
      if (!atomicReplace && link.destination !== undefined) await replaceInSteps();
      else
        await destination
          .rename(temporary, link.path, atomicReplace, signal)
          .catch(async (error) => {
            if (!(await mayGoInSteps(error, link, this.#context))) throw error;
            await replaceInSteps();
            destination.can.replaceRefused?.();
          });
    } catch (error) {
      this.#context.orphans.add(temporary);
      throw error;
    }
    this.#tally.copy(link.path, { bytes: 0, verified: 'size' }, began);
  }

  /** Gives what an interrupted replacement left aside its name back. */
  async putBack({ path, from }: PutBack): Promise<void> {
    const { destination, signal } = this.#context;
    await this.guarded(path, async () => {
      await destination.rename(from, path, false, signal);
      this.#tally.attrs++;
      this.#tally.file('attrs', path);
    });
  }

  async setAttributes(action: SetAttributes): Promise<void> {
    const { destination, signal } = this.#context;
    await this.guarded(action.path, async () => {
      if (action.rename !== undefined) await renameCase(this.#context, action.rename, action);
      const { mtime } = action.source;
      // the mtime says that the bytes are equal, so they must be those that were compared
      const now = await destination.stat(action.path, signal);
      if (now === undefined || !agrees(now, action.destination)) throw changedThere(action.path);
      if (mtime !== undefined) await this.#setMtime(action.path, mtime);
      this.#tally.attrs++;
      this.#tally.file('attrs', action.path);
    });
  }

  /** A side that refuses the mtime, or stores another one, is no failure: the next run compares with what is stored. */
  async #setMtime(path: string, mtime: number): Promise<void> {
    const { destination, signal, times } = this.#context;
    await destination.setStat(path, { mtime }, signal).catch(ignoreRefusal);
    const there = await destination.stat(path, signal);
    if (there?.mtime !== undefined) times?.evidence.add(mtime, there.mtime, Date.now() / 1000);
    times?.published(path, mtime, there?.mtime);
  }
}

/** Changes the case of a name by way of a third name, as case-insensitive sides need it. */
async function renameCase(
  { destination, writer, rules, signal }: CopyContext,
  from: string,
  { path: to, destination: seen }: Pick<CopyRequest, 'path' | 'destination'>,
): Promise<void> {
  const isIt = (there: Stat) => agrees(there, seen);
  const between = temporaryPath(to, markOf(writer, [from, to]), rules.start);
  await destination.rename(from, between, false, signal, isIt);
  await destination.rename(between, to, false, signal, isIt);
}

/** Files in flight: the remotes' `maxFiles` if set, otherwise what fills a connection of this round trip. */
export function filesAtOnce(job: Job, { source, destination }: CopyContext): number {
  const set = [job.from.remote?.maxFiles, job.to.remote?.maxFiles].filter(
    (n) => n !== undefined && n > 0,
  );
  const roundTrip = Math.max(source.can.roundTrip, destination.can.roundTrip);
  const found = requestsAtOnce(roundTrip, 256);
  const handles = Math.min(source.can.maxHandles, destination.can.maxHandles);
  return Math.max(1, Math.min(...(set as number[]), ...(set.length > 0 ? [] : [found]), handles));
}
