/**
 * Carries out a plan: folders, copies and attributes first; then deletions, but only if everything
 * before them succeeded; last the entries that replace one of another kind.
 */
import { setMaxListeners } from 'node:events';
import { all, Budget, each, requestsAtOnce } from '../../../core/at-once.js';
import { asFerryError, FerryError } from '../../../core/errors.js';
import type { Emit } from '../../../core/events.js';
import type { Job } from '../../../core/job.js';
import { count, escapeText } from '../../../core/text.js';
import type { SessionPool } from '../../../endpoints/sftp/pool.js';
import type { Side } from '../../../endpoints/side.js';
import { withheld } from '../../../jobs/plan/guard.js';
import type { Delete, Equal, Plan } from '../../../jobs/plan/plan.js';
import { Buffers } from '../copy/buffers.js';
import { Flight } from '../copy/chunks.js';
import type { CopyContext } from '../copy/copy-context.js';
import { byMark, LeftoverCleaner, type SortedLeftovers } from '../copy/leftovers.js';
import { mayResume } from '../copy/temporary.js';
import { TransferProgress } from '../progress.js';
import type { Doubts } from '../remembered/doubts.js';
import type { Origins } from '../remembered/origins.js';
import type { StoredTimes } from '../remembered/stored-times.js';
import type { Tally } from '../tally.js';
import { pruneTrash } from '../trash/prune.js';
import type { Trash } from '../trash/trash.js';
import { createAfter } from './after.js';
import { bandwidthOf } from './bandwidth.js';
import { checkRoots } from './check-roots.js';
import { EntryWriter, filesAtOnce, isWritable } from './entry-writer.js';
import { createRemover, type Remover } from './remover.js';
import { renameAll } from './renamer.js';
import { replaceEntry } from './replace-entry.js';
import { isUnder, replacedPaths } from './replacements.js';
import { RootInMaking } from './root-in-making.js';
import { SharedSources } from './shared-sources.js';

export interface TransferRequest {
  readonly run: string;
  readonly job: Job;
  readonly plan: Plan;
  /** Whether the run is limited to some folders: then nothing is made or pruned beyond the plan. */
  readonly onlyFolders: boolean;
  readonly source: Side;
  readonly destination: Side;
  /** The pool whose sessions are used: runs on one pool share a remote's bandwidth. */
  readonly pool: SessionPool;
  /** The side that `after: archive` moves files to. */
  readonly archive: Side | undefined;
  readonly tally: Tally;
  readonly emit: Emit;
  readonly signal: AbortSignal;
  /** When the run started, ms since the epoch. */
  readonly start: number;
  /** Who writes: the first half of the fingerprint in temporary names. */
  readonly writer: string;
  /** Temporary files that the scan found. */
  readonly leftovers: Pick<SortedLeftovers, 'own' | 'abandoned'>;
  /** Whether a path is that of a file that may grow while it is read (`live`); undefined: none may. */
  readonly isLive: ((path: string) => boolean) | undefined;
  readonly doubts: Doubts | undefined;
  readonly times: StoredTimes;
  readonly origins: Origins | undefined;
  readonly trash: Trash | undefined;
}

/** Bytes of file data in flight over all files of a run; further requests wait. */
const bytesInFlight = 32 * 1024 * 1024;
/** Files larger than one request that are copied at once; further ones wait. */
const largeFilesAtOnce = 64;
/** Removals of a run that are looked at in any case; the others only on a server that was seen to lie. */
const filesLookedAt = 16;
const foldersLookedAt = 2;
/** Milliseconds the removal of temporary files may take at the end of a run, and of a run that was stopped. */
const clearWithinMs = 30_000;
const clearStoppedWithinMs = 1500;

/** Carries out as much of the plan as possible; rejects only with an error that ends the run. */
export async function transfer(request: TransferRequest): Promise<void> {
  const stop = new AbortController();
  const signal = AbortSignal.any([request.signal, stop.signal]);
  // every file that waits for something listens to it
  setMaxListeners(0, signal);
  const orphans = new Set<string>();
  const progress = new TransferProgress(request, stop);
  const root = new RootInMaking(request.destination, stop);
  const passOf = bandwidthOf(request.job, request.pool, signal, () => progress.alive());
  const context: CopyContext = {
    source: request.source.endpoint,
    destination: root.endpoint,
    writer: request.writer,
    rules: { ...request.job, start: request.start },
    budget: new Budget(bytesInFlight),
    buffers: new Buffers(),
    flight: new Flight(),
    largeFiles: new Budget(largeFilesAtOnce),
    get pass() {
      return passOf();
    },
    signal,
    onBytes: (bytes) => progress.bytes(bytes),
    leftovers: byMark(request.leftovers.own),
    orphans,
    leftAside: new Map(),
    isLive: request.isLive,
    doubts: request.doubts,
    times: request.times,
    origins: request.origins,
    trash: request.trash,
    freeNames: { refuses: undefined },
    firstNames: {},
    looks: request.job.after.kind !== 'keep',
    notGuaranteed: (what) => request.tally.notGuaranteed.add(what),
  };
  try {
    const carrying = new Transfer(request, context, progress, stop, root);
    await carrying.all();
    await carrying.clearLeftovers();
  } finally {
    progress.end();
    await clearOrphans(context, orphans);
  }
}

/** Removes temporary files that cannot be resumed. After a lost connection they stay, for a later run to remove. */
async function clearOrphans(context: CopyContext, orphans: ReadonlySet<string>): Promise<void> {
  if (orphans.size === 0) return;
  const { reason } = context.signal;
  const local = context.destination.can.roundTrip === 0;
  if (!local && reason instanceof FerryError && reason.kind === 'network') return;
  const signal = AbortSignal.timeout(context.signal.aborted ? clearStoppedWithinMs : clearWithinMs);
  await each(orphans, requestsAtOnce(context.destination.can.roundTrip), async (path) => {
    await context.destination.remove(path, signal).catch(() => {});
  });
}

class Transfer {
  readonly #request: TransferRequest;
  readonly #context: CopyContext;
  readonly #root: RootInMaking;
  readonly #writer: EntryWriter;
  readonly #remover: Remover;
  readonly #leftovers: LeftoverCleaner;

  constructor(
    request: TransferRequest,
    context: CopyContext,
    progress: TransferProgress,
    stop: AbortController,
    root: RootInMaking,
  ) {
    const { job, tally } = request;
    this.#request = request;
    this.#context = context;
    this.#root = root;
    this.#leftovers = new LeftoverCleaner(request.leftovers, context);
    this.#remover = createRemover(context.destination, context.trash, context.signal);
    const after = createAfter(job, request.source, context, request.archive);
    const shared =
      job.symlinks === 'follow' && after
        ? new SharedSources(request.plan, request.source.only)
        : undefined;
    this.#writer = new EntryWriter({ job, context, tally, progress, stop, after, shared });
  }

  /** Requests without file data that are on their way together; a server that they slow down gets fewer. */
  get #atOnce(): number {
    const { source, destination } = this.#context;
    return requestsAtOnce(Math.max(source.can.roundTrip, destination.can.roundTrip));
  }

  async all(): Promise<void> {
    const { plan, onlyFolders, tally, job } = this.#request;
    const { signal } = this.#context;
    const writer = this.#writer;
    const replaced = replacedPaths(plan);
    const wholeMirror = job.operation === 'mirror' && !onlyFolders;
    if (plan.mkdirs.length + plan.copies.length > 0 || wholeMirror) await this.#root.begin(signal);
    await this.#forgetOrigins();
    await each(plan.putBacks, this.#atOnce, (action) => writer.putBack(action));
    await writer.makeFolders(plan.mkdirs.filter(({ path }) => !replaced.has(path)));
    const moved = await this.#renameAll();
    const copies = moved.filter(({ path }) => !replaced.has(path));
    // folders that stay writable get their final mode now; read-only ones after their contents are written
    await all(writer.copyAll(copies), writer.setFolderModes(isWritable), this.#root.made);
    await each(plan.attrs, this.#atOnce, (action) => writer.setAttributes(action));
    await each(plan.equal, this.#atOnce, (equal) => this.#applyAfter(equal));
    this.#noteHeld();
    if (wholeMirror && tally.vanished > 0) await this.#checkSource();
    await checkRoots(this.#request, signal);
    await this.#deleteAll(replaced);
    await writer.setFolderModes(() => true);
    if (tally.failed === 0 && !onlyFolders) await this.#prune();
  }

  /** Forgets from where the files were copied that the plan changes, except those that it renames. */
  async #forgetOrigins(): Promise<void> {
    const { plan, origins } = this.#request;
    const { putBacks, copies, attrs, deletes } = plan;
    const changed = [...putBacks, ...copies, ...attrs, ...deletes].map(({ path }) => path);
    if (origins === undefined || changed.length + plan.renames.length === 0) return;
    origins.open();
    const renamed = new Set(plan.renames.map(({ at }) => at));
    await origins.forget(changed.filter((path) => !renamed.has(path)));
  }

  /** Carries out the renames, and resolves to the copies as they are to be made then. */
  async #renameAll(): Promise<Plan['copies']> {
    const { plan, origins, job, tally } = this.#request;
    if (origins === undefined || plan.renames.length === 0) return plan.copies;
    const atOnce = filesAtOnce(job, this.#context);
    const parts = { context: this.#context, writer: this.#writer, tally, origins, atOnce };
    const { copies, left } = await renameAll(plan.renames, parts);
    const rest = plan.copies.map((copy) => {
      const { movesOn: _, ...plain } = copy;
      return left.has(copy.path) ? plain : copy;
    });
    return [...copies, ...rest];
  }

  /**
   * Removes the temporary files that the scan found and no copy went on with. After a failure what a later
   * run may go on with stays. A file that can't be removed is told, and no failure of the run.
   */
  async clearLeftovers(): Promise<void> {
    const { tally, emit } = this.#request;
    const { removed, failure } = await this.#leftovers.clear(
      ({ mark, size }) => tally.failed === 0 || mark === undefined || !mayResume(size),
    );
    // no copy is left to go on with what this run has left, either: its source vanished
    if (tally.failed === 0)
      for (const path of [...this.#context.leftovers.values()].flat())
        this.#context.orphans.add(path);
    if (removed > 0)
      emit({
        event: 'notice',
        level: 'info',
        message: `removed ${count(removed, 'temporary file')} that earlier runs left`,
      });
    if (failure === undefined) return;
    const where = escapeText(failure.path ?? '');
    const message = `a temporary file that an earlier run left could not be removed: ${where}: ${failure.message}`;
    emit({ event: 'notice', level: 'warning', message });
  }

  /** A file that can't be pruned is no failure of the run: the next one tries again. */
  async #prune(): Promise<void> {
    const { job, start, emit } = this.#request;
    if (job.trash === undefined) return;
    const { destination, signal } = this.#context;
    await pruneTrash(destination, job.trash, start, signal).catch((thrown) => {
      const error = asFerryError(thrown);
      if (error.kind !== 'io') throw error;
      const where = escapeText(error.path ?? job.trash?.dir ?? '');
      const message = `the trash could not be pruned: ${where}: ${error.message}`;
      emit({ event: 'notice', level: 'warning', message });
    });
  }

  async #applyAfter({ path, from, source, readAt }: Equal): Promise<void> {
    if (readAt === undefined) return; // its bytes were not compared
    const proven = { path, seen: source, readAt };
    await this.#writer.guarded(path, () => this.#writer.handleSource(from, proven));
  }

  #noteHeld(): void {
    const { tally, emit } = this.#request;
    if (tally.held === 0) return;
    const message = `${count(tally.held, 'file')} stay at the source until a later run: they were read within seconds of their mtime, when a further change might not show`;
    emit({ event: 'notice', level: 'info', message });
  }

  /** Where files have vanished, asks again for the proof that the source is there: its file system may have gone with them. */
  async #checkSource(): Promise<void> {
    const { job, source, tally } = this.#request;
    const { signal } = this.#context;
    const { require, allowEmptySource } = job.delete;
    await this.#writer.guarded('', async () => {
      const proven = require === undefined || (await source.endpoint.stat(require, signal));
      const isEmpty = !allowEmptySource && (await source.endpoint.list('', signal)).length === 0;
      if (proven && !isEmpty) return;
      throw new FerryError(
        'io',
        `${count(tally.vanished, 'file')} vanished from the source, and now ${isEmpty ? 'it is empty' : `${require} is gone`}`,
        { hint: 'nothing was deleted; check that the source is mounted' },
      );
    });
  }

  /** Deletes only if nothing before has failed; then carries out the replacements. */
  async #deleteAll(replacedAndBelow: ReadonlySet<string>): Promise<void> {
    const { plan, tally } = this.#request;
    if (plan.deletes.length === 0) return;
    const why = withheld(plan) ?? (tally.failed > 0 ? 'some copies failed' : undefined);
    if (why !== undefined) {
      this.#withhold(why, replacedAndBelow);
      return;
    }
    const replaced = new Set(
      plan.deletes.map(({ path }) => path).filter((path) => replacedAndBelow.has(path)),
    );
    const rest = plan.deletes.filter(({ path }) => !isUnder(path, replaced));
    const files = rest.filter(({ seen }) => seen.kind !== 'folder');
    // a server that says OK and removes nothing shows it in these, before the rest is believed
    const sample = sampleOf(files);
    await each(sample, this.#atOnce, (action) => this.#delete(action, true));
    await each(
      files.filter((action) => !sample.has(action)),
      this.#atOnce,
      (action) => this.#delete(action),
    );
    const folders = rest.filter(({ seen }) => seen.kind === 'folder');
    const emptied = new Set(folders.map(({ path }) => path));
    await this.#leftovers.clear(({ path }) => isUnder(path, emptied));
    await this.#deleteFolders(folders);
    const steps = {
      context: this.#context,
      writer: this.#writer,
      remover: this.#remover,
      tally,
    };
    for (const path of replaced)
      await this.#writer.guarded(path, () => replaceEntry(path, plan, steps));
  }

  /** Folders of one depth at once, the deepest first: a folder is empty once those below it are gone. */
  async #deleteFolders(folders: readonly Delete[]): Promise<void> {
    const byDepth = new Map<number, Delete[]>();
    for (const action of folders) {
      const depth = action.path.split('/').length;
      byDepth.set(depth, [...(byDepth.get(depth) ?? []), action]);
    }
    let toLookAt = foldersLookedAt;
    for (const depth of [...byDepth.keys()].sort((a, b) => b - a)) {
      const level = byDepth.get(depth) as Delete[];
      const sample = level.splice(0, toLookAt);
      toLookAt -= sample.length;
      await each(sample, this.#atOnce, (action) => this.#delete(action, true));
      await each(level, this.#atOnce, (action) => this.#delete(action));
    }
  }

  /** Reports that nothing is deleted, and the replacements as failed. */
  #withhold(why: string, replacedAndBelow: ReadonlySet<string>): void {
    const { plan, tally, emit } = this.#request;
    emit({
      event: 'notice',
      level: 'warning',
      message: `nothing was deleted: ${why}; the deletions are left for the next complete run`,
    });
    for (const path of [...plan.mkdirs, ...plan.copies].map((action) => action.path))
      if (replacedAndBelow.has(path))
        tally.fail({
          path,
          kind: 'conflict',
          message: 'it replaces an entry that was not deleted, since deletions were withheld',
        });
  }

  async #delete({ path, seen, as = path }: Delete, looks = false): Promise<void> {
    const { tally } = this.#request;
    await this.#writer.guarded(path, async () => {
      if (seen.kind === 'folder') {
        if (await this.#remover.folder(path, looks)) tally.file('delete', path, { kind: 'folder' });
        return;
      }
      if (!(await this.#remover.file(path, as, seen, looks))) return;
      tally.deleted++;
      tally.file('delete', path);
    });
  }
}

/** Some of the deletions, spread over all of them, and so over the folders. */
function sampleOf(deletes: readonly Delete[]): ReadonlySet<Delete> {
  const step = Math.max(1, deletes.length / filesLookedAt);
  const chosen = new Set<Delete>();
  for (let at = 0; at < deletes.length; at += step) chosen.add(deletes[Math.floor(at)] as Delete);
  return chosen;
}
