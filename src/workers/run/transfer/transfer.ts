/**
 * Carries out a plan: folders, copies, attributes, then deletions, which come last and only when
 * everything before them went well, then what takes the place of something of another kind.
 */
import { setMaxListeners } from 'node:events';
import { all, Budget, each } from '../../../core/at-once.js';
import { asFerryError, endsRun, FerryError } from '../../../core/errors.js';
import type { Emit } from '../../../core/events.js';
import type { Job } from '../../../core/job.js';
import type { Endpoint } from '../../../endpoints/endpoint.js';
import type { Side } from '../../../endpoints/open.js';
import type { SessionPool } from '../../../endpoints/sftp/pool.js';
import { withheld } from '../../../jobs/plan/guard.js';
import type {
  Copy,
  Delete,
  Equal,
  Link,
  Mkdir,
  Plan,
  SetAttributes,
} from '../../../jobs/plan/plan.js';
import { Buffers } from '../copy/buffers.js';
import type { Copied, CopyContext } from '../copy/copy-context.js';
import { copyFile } from '../copy/copy-file.js';
import { temporaryPath } from '../copy/temporary-names.js';
import { fingerprint } from '../fingerprint.js';
import { TransferProgress } from '../progress.js';
import type { Doubts } from '../remembered/doubts.js';
import type { Tally } from '../tally.js';
import { type AfterAction, createAfter } from './after.js';
import { bandwidthOf } from './bandwidth.js';
import { replaceEntry } from './replace-entry.js';
import { isUnder, replacedPaths } from './replacements.js';
import { createRemover, pruneTrash, type Remover } from './trash.js';

export interface TransferRequest {
  readonly run: string;
  readonly job: Job;
  readonly plan: Plan;
  /** Whether only some folders were looked at: then nothing is made or pruned beyond the plan. */
  readonly limited: boolean;
  readonly source: Side;
  readonly destination: Side;
  /** Whose sessions are used: runs over one session share its remote's bandwidth. */
  readonly pool: SessionPool;
  /** Where `after: archive` moves to. */
  readonly archive: Endpoint | undefined;
  readonly tally: Tally;
  readonly emit: Emit;
  readonly signal: AbortSignal;
  /** When the run started, ms since the epoch. */
  readonly start: number;
  /** Temporary files of earlier runs, by fingerprint. */
  readonly leftovers: Map<string, readonly string[]>;
  readonly doubts: Doubts | undefined;
}

/** Bytes of file data in flight over all files of a run. */
const bytesInFlight = 32 * 1024 * 1024;
/** Files above one request's size that are moved at once. */
const largeFilesAtOnce = 64;
/** Requests without data in flight: mkdir, rename, remove. */
const smallRequestsAtOnce = 128;
/** The bits of a folder's mode that we need to fill it. */
const writable = 0o700;
const isWritable = (mode: number) => (mode & writable) === writable;
/** Tries of one file: the first, and those after it changed or the connection went. */
const tries = 4;
/** Milliseconds a cancelled run may take to clear away its temporary files. */
const clearing = 1500;

/** Carries out the plan as far as it can; rejects only with what ends the run. */
export async function transfer(request: TransferRequest): Promise<void> {
  const stop = new AbortController();
  const signal = AbortSignal.any([request.signal, stop.signal]);
  // every file that waits for something listens to it
  setMaxListeners(0, signal);
  const orphans = new Set<string>();
  const progress = new TransferProgress(request, stop);
  const context: CopyContext = {
    source: request.source.endpoint,
    destination: request.destination.endpoint,
    rules: { ...request.job, start: request.start },
    budget: new Budget(bytesInFlight),
    buffers: new Buffers(),
    largeFiles: new Budget(largeFilesAtOnce),
    pass: bandwidthOf(request.job, request.pool, signal, () => progress.alive()),
    signal,
    onBytes: (bytes) => progress.bytes(bytes),
    leftovers: request.leftovers,
    orphans,
    doubts: request.doubts,
  };
  try {
    await new Transfer(request, context, progress, stop).all();
  } finally {
    progress.end();
    await clearAway(context, orphans);
  }
}

/** Removes temporary files that nobody will go on with. Where the connection is gone they stay, for a later run. */
async function clearAway(context: CopyContext, orphans: ReadonlySet<string>): Promise<void> {
  if (orphans.size === 0) return;
  const { reason } = context.signal;
  const local = context.destination.can.roundTrip === 0;
  if (!local && reason instanceof FerryError && reason.kind === 'network') return;
  const signal = AbortSignal.timeout(context.signal.aborted ? clearing : 30_000);
  await each(orphans, smallRequestsAtOnce, async (path) => {
    await context.destination.remove(path, signal).catch(() => {});
  });
}

class Transfer {
  readonly #request: TransferRequest;
  readonly #context: CopyContext;
  readonly #progress: TransferProgress;
  readonly #stop: AbortController;
  readonly #remover: Remover;
  readonly #after: AfterAction | undefined;
  /** Folders that stand now and have yet to get their own mode. */
  #made: Mkdir[] = [];

  constructor(
    request: TransferRequest,
    context: CopyContext,
    progress: TransferProgress,
    stop: AbortController,
  ) {
    this.#request = request;
    this.#context = context;
    this.#progress = progress;
    this.#stop = stop;
    this.#remover = createRemover(
      context.destination,
      request.job.delete,
      request.run,
      context.signal,
    );
    this.#after = createAfter(request.job, request.source, context, request.archive);
  }

  async all(): Promise<void> {
    const { plan, limited, destination, tally, job } = this.#request;
    const { signal } = this.#context;
    const late = replacedPaths(plan);
    const wholeMirror = job.operation === 'mirror' && !limited;
    if (plan.mkdirs.length + plan.copies.length > 0 || wholeMirror)
      await destination.makeRoot(signal);
    await this.#makeFolders(plan.mkdirs.filter(({ path }) => !late.has(path)));
    const copies = plan.copies.filter(({ path }) => !late.has(path));
    // What stays writable for us gets its mode beside the copies, the rest once all is in it.
    await all(this.#copyAll(copies), this.#setFolderModes(isWritable));
    await each(plan.attrs, smallRequestsAtOnce, (action) => this.#setAttributes(action));
    await each(plan.equal, smallRequestsAtOnce, (equal) => this.#applyAfter(equal));
    await this.#deleteAll(late);
    await this.#setFolderModes(() => true);
    if (tally.failed === 0 && wholeMirror)
      await pruneTrash(this.#context.destination, job.delete, this.#request.start, signal);
  }

  /** Runs one path's work; an error that concerns only it is recorded, another ends the run. */
  async #guarded(path: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (thrown) {
      if (this.#context.signal.aborted) throw this.#context.signal.reason;
      const error = asFerryError(thrown);
      if (endsRun(error.kind)) {
        this.#stop.abort(error);
        throw error;
      }
      this.#request.tally.failWith(path, error);
    } finally {
      this.#progress.step();
    }
  }

  /** Level by level, since a folder needs the one above it. */
  async #makeFolders(mkdirs: readonly Mkdir[]): Promise<void> {
    const levels = new Map<number, Mkdir[]>();
    for (const mkdir of mkdirs) {
      const depth = mkdir.path.split('/').length;
      levels.set(depth, [...(levels.get(depth) ?? []), mkdir]);
    }
    for (const depth of [...levels.keys()].sort((a, b) => a - b))
      await each(levels.get(depth) ?? [], smallRequestsAtOnce, (mkdir) => this.#makeFolder(mkdir));
  }

  async #makeFolder(mkdir: Mkdir): Promise<void> {
    const { path, mode } = mkdir;
    const { destination, signal } = this.#context;
    await this.#guarded(path, async () => {
      // writable by us while files go into it; its own mode comes later
      const permissions = this.#folderMode(mode) ?? 0o777;
      await destination.mkdir(path, permissions | writable, signal).catch(async (error) => {
        const there = await destination.stat(path, signal);
        if (there?.kind !== 'folder') throw error;
      });
      this.#made.push(mkdir);
      this.#request.tally.file('mkdir', path);
    });
  }

  #folderMode(mode: number): number | undefined {
    const { modes } = this.#request.job;
    if (modes === 'server') return undefined;
    return modes === 'source' ? mode & 0o777 : modes.folders;
  }

  /** The server's umask may have taken bits away, and a folder that was to be read-only had to be written first. */
  async #setFolderModes(which: (mode: number) => boolean): Promise<void> {
    const { destination, signal } = this.#context;
    if (destination.can.setStat === 'none') return;
    const modeOf = (mkdir: Mkdir) => this.#folderMode(mkdir.mode);
    const isNow = (mkdir: Mkdir) => which(modeOf(mkdir) ?? writable);
    const now = this.#made.filter(isNow);
    this.#made = this.#made.filter((mkdir) => !isNow(mkdir));
    await each(now.reverse(), smallRequestsAtOnce, async (mkdir) => {
      const mode = modeOf(mkdir);
      if (mode === undefined) return;
      await destination.setStat(mkdir.path, { mode }, signal).catch((error) => {
        // the folder is there; a server that refuses modes is no failure
        if (asFerryError(error).kind !== 'io') throw error;
      });
    });
  }

  async #copyAll(copies: readonly (Copy | Link)[]): Promise<void> {
    this.#progress.start(copies);
    await each(copies, filesAtOnce(this.#request, this.#context), (copy) =>
      this.#guarded(copy.path, () =>
        copy.action === 'link' ? this.#makeLink(copy) : this.#copy(copy),
      ),
    );
  }

  async #copy(copy: Copy): Promise<void> {
    const { destination, signal } = this.#context;
    const began = performance.now();
    if (copy.rename !== undefined) await renameCase(destination, copy.rename, copy.path, signal);
    const copied = await this.#tried(copy, (request) => copyFile(request, this.#context));
    this.#request.tally.copy(copy.path, copied.bytes, copied.verified, began);
    await this.#after?.(copy.path, copy.from, copied.source);
  }

  /** Tries again after a change of the source or a lost connection. */
  async #tried<T extends Copied>(copy: Copy, work: (request: Copy) => Promise<T>): Promise<T> {
    const { source, signal } = this.#context;
    let request = copy;
    for (let attempt = 1; ; attempt++) {
      try {
        return await work(request);
      } catch (thrown) {
        if (signal.aborted) throw signal.reason;
        const error = asFerryError(thrown);
        const again = error.kind === 'changed' || error.kind === 'network';
        if (!again || attempt >= tries) throw error.path === undefined ? error.at(copy) : error;
        const now = await source.stat(copy.from, signal);
        if (now === undefined)
          throw new FerryError('io', 'it vanished from the source', { path: copy.from });
        request = { ...copy, source: now };
      }
    }
  }

  async #makeLink(link: Link): Promise<void> {
    const { destination, rules, signal } = this.#context;
    const began = performance.now();
    const mark = fingerprint([destination.root, link.path, link.target]);
    const temporary = temporaryPath(link.path, mark, rules.start);
    await destination.symlink(link.target, temporary, signal);
    try {
      const { atomicReplace } = destination.can;
      if (!atomicReplace && link.destination !== undefined)
        await destination.remove(link.path, signal);
      await destination.rename(temporary, link.path, atomicReplace, signal);
    } catch (error) {
      this.#context.orphans.add(temporary);
      throw error;
    }
    this.#request.tally.copy(link.path, 0, 'size', began);
  }

  async #setAttributes(action: SetAttributes): Promise<void> {
    const { destination, signal } = this.#context;
    await this.#guarded(action.path, async () => {
      if (action.rename !== undefined)
        await renameCase(destination, action.rename, action.path, signal);
      const { mtime } = action.source;
      if (mtime !== undefined) await destination.setStat(action.path, { mtime }, signal);
      this.#request.tally.attrs++;
      this.#request.tally.file('attrs', action.path);
    });
  }

  async #applyAfter(equal: Equal): Promise<void> {
    await this.#guarded(equal.path, async () => {
      await this.#after?.(equal.path, equal.from, equal.source);
    });
  }

  /** Deletions need proof: nothing before them may have failed. */
  async #deleteAll(late: ReadonlySet<string>): Promise<void> {
    const { plan, tally, emit } = this.#request;
    if (plan.deletes.length === 0) return;
    const why = withheld(plan) ?? (tally.failed > 0 ? 'some copies failed' : undefined);
    if (why !== undefined) {
      emit({
        event: 'notice',
        level: 'warning',
        message: `nothing was deleted: ${why}; the deletions come with the next run that is complete`,
      });
      for (const path of [...plan.mkdirs, ...plan.copies].map((action) => action.path))
        if (late.has(path))
          tally.fail({
            path,
            kind: 'conflict',
            message: 'what stands in its way was to be deleted, and deletions were withheld',
          });
      return;
    }
    const replaced = new Set(plan.deletes.map(({ path }) => path).filter((path) => late.has(path)));
    const rest = plan.deletes.filter(({ path }) => !isUnder(path, replaced));
    await each(
      rest.filter(({ seen }) => seen.kind !== 'folder'),
      smallRequestsAtOnce,
      (action) => this.#delete(action),
    );
    for (const action of rest.filter(({ seen }) => seen.kind === 'folder'))
      await this.#delete(action);
    for (const path of replaced)
      await this.#guarded(path, () =>
        replaceEntry(path, plan, {
          context: this.#context,
          remover: this.#remover,
          tally,
          tried: (copy, work) => this.#tried(copy, work),
          makeFolder: (mkdir) => this.#makeFolder(mkdir),
          copyAll: (copies) => this.#copyAll(copies),
          makeLink: (link) => this.#makeLink(link),
        }),
      );
  }

  async #delete({ path, seen }: Delete): Promise<void> {
    const { tally } = this.#request;
    await this.#guarded(path, async () => {
      if (seen.kind === 'folder') {
        if (await this.#remover.folder(path)) tally.file('delete', path, { kind: 'folder' });
        return;
      }
      await this.#remover.file(path, path);
      tally.deleted++;
      tally.file('delete', path);
    });
  }
}

/** On a case-insensitive side a name is changed by way of a third one. */
async function renameCase(
  side: CopyContext['destination'],
  from: string,
  to: string,
  signal: AbortSignal,
): Promise<void> {
  const between = temporaryPath(to, fingerprint([from, to]), Date.now());
  await side.rename(from, between, false, signal);
  await side.rename(between, to, false, signal);
}

/** Files in flight: as the remotes say, else what a line of this length takes. */
function filesAtOnce({ job }: TransferRequest, { source, destination }: CopyContext): number {
  const set = [job.from.remote?.maxFiles, job.to.remote?.maxFiles].filter(
    (n) => n !== undefined && n > 0,
  );
  const roundTrip = Math.max(source.can.roundTrip, destination.can.roundTrip);
  const found = roundTrip < 5 ? 256 : Math.min(1000, 256 + Math.round(roundTrip * 15));
  const handles = Math.min(source.can.maxHandles, destination.can.maxHandles);
  return Math.max(1, Math.min(...(set as number[]), ...(set.length > 0 ? [] : [found]), handles));
}
