/**
 * Walks both sides in step, folder by folder, and adds what `planFolder` finds in each to the plan.
 * Many listings are in flight; equal entries are dropped at once. read-folder.ts reads a folder.
 */
import { Budget, each, walk } from '../../../core/at-once.js';
import { parentOf } from '../../../core/entry.js';
import { asFerryError, endsRun, FerryError } from '../../../core/errors.js';
import type { Operation } from '../../../core/events.js';
import { present } from '../../../core/present.js';
import type { Endpoint } from '../../../endpoints/endpoint.js';
import { applyComparison } from '../../../jobs/plan/apply-comparison.js';
import { type Comparison, decide, mayReplace } from '../../../jobs/plan/compare.js';
import type { Scope } from '../../../jobs/plan/filter.js';
import type { FolderPlan, PlanRules, Undecided } from '../../../jobs/plan/folder-types.js';
import type {
  Action,
  Copy,
  Equal,
  Mkdir,
  PathProblem,
  Plan,
  Skip,
} from '../../../jobs/plan/plan.js';
import { sealPlan } from '../../../jobs/plan/seal-plan.js';
import { memoryFor, sameContent } from '../copy/content.js';
import type { Origins } from '../remembered/origins.js';
import type { Leftover } from '../remembered/seen-leftovers.js';
import { mayBeGone, provenGone } from '../vanished.js';
import { findTwins } from './find-twins.js';
import { ListingPace } from './listing-pace.js';
import { descentInto, requestedFolders, withoutDeletions } from './only-folders.js';
import { FolderReader, type FolderTask, type UnreadableFolder } from './read-folder.js';
import type { SameNames } from './same-names.js';

export interface ScanRequest {
  readonly job: string;
  readonly operation: Operation;
  readonly source: Endpoint;
  readonly destination: Endpoint;
  /** Whether nothing is at the destination's root; absent: its listing shows it. */
  readonly destinationMissing?: boolean;
  /** The source's name if it is one file; the rest of its folder is ignored. */
  readonly only: string | undefined;
  /** The name that this file gets at the destination; absent: the same. */
  readonly newName?: string;
  /** The folders below the source's root to which the run is limited (see only-folders.ts); absent: the whole tree. */
  readonly folders?: readonly string[];
  readonly scope: Scope;
  readonly rules: PlanRules;
  /** Finds out what is one name to the destination. */
  readonly sameNames: SameNames;
  /** Whether a path is that of a file that may grow while it is read (`live`); absent: none may. */
  readonly isLive?: (path: string) => boolean;
  /** Knows from which files the destination's were copied; absent: renames are not followed. */
  readonly origins?: Origins;
  readonly signal: AbortSignal;
  /** Called after each folder with the number of entries compared so far. */
  readonly onProgress: (compared: number) => void;
  /** Called for each file whose bytes are the same on both sides; `readAt` is when reading them began, ms since the epoch. */
  readonly onSame?: (path: string, readAt: number) => void;
  /** What `bandwidthOf` returns, for comparing contents; absent: no limit. */
  readonly passOf?: () => ((bytes: number) => Promise<void>) | undefined;
}

export interface Scan {
  readonly plan: Plan;
  /** False if the source's root does not exist. */
  readonly sourceExists: boolean;
  /** Ferryline's own files at the destination: of earlier runs, or of other writers. */
  readonly leftovers: readonly Leftover[];
  /** Source files and links that were removed after they were listed. */
  readonly vanished: readonly string[];
  /** Whether the destination's root has a folder `.ferryline`. */
  readonly hasReserved: boolean;
}

/** Pairs of files whose bytes are compared at once; further ones wait. */
const pairsAtOnce = 128;
/** Bytes of memory for comparing them; further pairs wait. */
const pairsMemoryBytes = 32 * 1024 * 1024;

/** Scans both sides. Rejects only with an error that ends the run; an unreadable folder becomes a failure in the plan. */
export function scan(request: ScanRequest): Promise<Scan> {
  return new Scanner(request).scan();
}

class Scanner {
  readonly #request: ScanRequest;
  readonly #reader: FolderReader;
  readonly #isLimited: boolean;
  readonly #reading = new Budget(pairsMemoryBytes);
  readonly #pairsAtOnce: number;
  readonly #gathered = {
    actions: [] as Action[],
    missing: new Map<string, Mkdir>(),
    keepers: new Set<string>(),
    conflicts: [] as PathProblem[],
    failures: [] as PathProblem[],
    skips: [] as Skip[],
    equal: [] as Equal[],
    unchanged: 0,
    sourceFiles: 0,
    destinationFiles: 0,
  };
  readonly #pace: ListingPace;

  constructor(request: ScanRequest) {
    const { source, destination } = request;
    this.#request = request;
    this.#reader = new FolderReader(request);
    this.#pace = new ListingPace(source, destination);
    this.#isLimited = request.folders !== undefined;
    this.#pairsAtOnce = Math.min(pairsAtOnce, source.can.maxHandles, destination.can.maxHandles);
  }

  async scan(): Promise<Scan> {
    const { job, operation, source, destination, destinationMissing, scope, folders } =
      this.#request;
    const root: FolderTask = {
      path: '',
      from: '',
      source: true,
      destination: !destinationMissing,
      scope,
      trail: [''],
      ...present({ requested: folders && requestedFolders(folders) }),
    };
    await walk(
      root,
      () => this.#pace.atOnce(),
      (task) => this.#visit(task),
    );
    const twins = await this.#findTwins();
    const plan = sealPlan({
      twins,
      job,
      operation,
      from: source.label,
      to: destination.label,
      ...this.#gathered,
    });
    const { sourceExists, leftovers, vanished, hasReserved } = this.#reader;
    return { plan, sourceExists, leftovers, vanished, hasReserved };
  }

  async #findTwins(): Promise<ReadonlyMap<string, string>> {
    const { origins, source, destination, rules, signal } = this.#request;
    const { actions } = this.#gathered;
    if (origins === undefined) return new Map();
    // a second name and one step more, so that no name is without its file at any moment
    const links = destination.can.hardLinks && destination.can.atomicReplace;
    const search = { actions, origins, source, links, doubts: rules.doubts, signal };
    return findTwins(rules.compare === 'checksum' ? { ...search, isSame: this.#isSame } : search);
  }

  /** Whether a copy's source holds what the destination has at a path. What can't be read is no twin: its copy says why. */
  readonly #isSame = async ({ from, source: { size } }: Copy, at: string): Promise<boolean> => {
    const { source, destination, signal, passOf } = this.#request;
    return this.#withMemory(size, () =>
      sameContent(source, from, destination, at, signal, { size, pass: passOf?.() }).catch(
        (error) => {
          signal.throwIfAborted();
          failureOf(error);
          return false;
        },
      ),
    );
  };

  /** Plans one folder; resolves to the folders to visit next. */
  async #visit(task: FolderTask): Promise<FolderTask[]> {
    const { rules, sameNames, signal } = this.#request;
    const read = await this.#reader.read(task);
    if (read === undefined) return [];
    if ('error' in read) {
      this.#addUnreadable(task, read);
      return [];
    }
    const { pair, scope } = read;
    const planned = await sameNames.plan(pair, scope, rules, signal);
    const folder = this.#isLimited ? withoutDeletions(planned) : planned;
    if (this.#request.isLive !== undefined) this.#refuseSizeless(folder, this.#request.isLive);
    if (folder.undecided.length > 0) await this.#compareContents(folder);
    this.#add(folder, task);
    return folder.descend.flatMap((next) => {
      const limit = task.requested === undefined ? {} : descentInto(task.requested, next);
      if (limit === undefined) return [];
      const { path, from, source, destination, at, isAside } = next;
      const trail = rules.symlinks === 'follow' ? [...task.trail, from] : task.trail;
      return [
        { path, from, source, destination, scope, trail, ...present({ at, isAside }), ...limit },
      ];
    });
  }

  /** A file that may grow is copied up to a size that its side must report. */
  #refuseSizeless(
    { actions, undecided }: FolderPlan,
    isLive: NonNullable<ScanRequest['isLive']>,
  ): void {
    const copies = actions.filter((action): action is Copy => action.action === 'copy');
    for (const { path, source } of [...copies, ...undecided])
      if (source.kind === 'file' && source.size === undefined && isLive(path))
        throw new FerryError(
          'config',
          `${this.#request.source.label} does not report sizes, so files that match \`live\` can't be copied up to theirs`,
          { path, hint: 'remove `live` from the job, or copy from a server that reports sizes' },
        );
  }

  /** Decides the folder's undecided pairs by comparing their bytes. */
  #compareContents(folder: FolderPlan): Promise<void> {
    const atOnce = Math.min(this.#pairsAtOnce, folder.undecided.length);
    return each(folder.undecided, atOnce, (pair) => this.#compareContent(folder, pair));
  }

  async #compareContent(folder: FolderPlan, pair: Undecided): Promise<void> {
    const { source, destination, rules, signal, onSame, passOf } = this.#request;
    const { path, from, source: ours } = pair;
    try {
      let readAt = 0;
      const isSame = await this.#withMemory(ours.size, () => {
        readAt = Date.now();
        const known = { size: ours.size, pass: passOf?.() };
        return sameContent(source, from, destination, pair.at ?? path, signal, known);
      });
      if (isSame) onSame?.(path, readAt);
      applyComparison(folder, pair, this.#decide(isSame, pair), rules, readAt);
    } catch (error) {
      signal.throwIfAborted();
      const { kind, message } = failureOf(error);
      if (mayBeGone(error, from) && (await provenGone(source, from, signal)))
        this.#reader.vanished.push(path);
      else folder.failures.push({ path, kind, message });
    }
  }

  /** Compares two files of probably this size once there is memory for it. */
  async #withMemory(size: number | undefined, compare: () => Promise<boolean>): Promise<boolean> {
    const { source, destination } = this.#request;
    const ofThem = memoryFor(source, destination, size);
    const bytes = Math.max(ofThem, pairsMemoryBytes / this.#pairsAtOnce);
    await this.#reading.take(bytes);
    try {
      return await compare();
    } finally {
      this.#reading.give(bytes);
    }
  }

  /** What to do with a pair whose bytes were compared; those that only `after` wanted compared may be kept. */
  #decide(isSame: boolean, { path, source: ours, destination: theirs }: Undecided): Comparison {
    const { rules } = this.#request;
    const time = rules.storedTimes?.get(path);
    const onlyForAfter =
      rules.listEqual && rules.compare !== 'checksum' && !rules.doubts?.has(path);
    if (!isSame && onlyForAfter && !mayReplace(ours, theirs, rules, time))
      return { is: 'kept', reason: 'existing: newer, and the destination is not older' };
    if (isSame && onlyForAfter && rules.compare === 'size') return { is: 'equal' };
    return decide(isSame, ours, theirs, rules, time);
  }

  #add(folder: FolderPlan, task: FolderTask): void {
    const gathered = this.#gathered;
    for (const action of folder.actions) gathered.actions.push(action);
    for (const mkdir of folder.missing) gathered.missing.set(mkdir.path, mkdir);
    for (const conflict of folder.conflicts) gathered.conflicts.push(conflict);
    for (const failure of folder.failures) gathered.failures.push(failure);
    for (const equal of folder.equal) gathered.equal.push(equal);
    for (const skip of folder.skips) gathered.skips.push(skip);
    gathered.unchanged += folder.unchanged;
    gathered.sourceFiles += folder.sourceFiles;
    gathered.destinationFiles += folder.destinationFiles;
    if (folder.keeps && !task.source) this.#keep(deletedPath(task));
    this.#pace.listed(task.path, folder.compared);
    this.#request.onProgress(this.#pace.entries);
  }

  /** An unreadable folder takes its subtree out of the plan, and with it all deletions. */
  #addUnreadable(task: FolderTask, { side, error }: UnreadableFolder): void {
    this.#request.signal.throwIfAborted();
    const { kind, message, code } = failureOf(error);
    const where = side.can.roundTrip > 0 ? 'there' : 'on this machine';
    const hint = code === 'EACCES' ? `; check ${where} that this user may read and enter it` : '';
    this.#gathered.failures.push({
      path: task.path,
      kind,
      message: `${side.label}: the folder can't be listed: ${message}${hint}`,
    });
    this.#keep(deletedPath(task));
  }

  /** Keeps a destination folder and those above it. */
  #keep(path: string): void {
    const { keepers } = this.#gathered;
    for (let at = path; !keepers.has(at); at = parentOf(at)) {
      keepers.add(at);
      if (at === '') break;
    }
  }
}

/** The path under which the plan deletes a folder of the destination. */
function deletedPath({ path, at, isAside }: FolderTask): string {
  return isAside === true ? (at ?? path) : path;
}

/** The error of one path; throws an error that ends the run. */
function failureOf(error: unknown): FerryError {
  const failure = asFerryError(error);
  if (endsRun(failure.kind)) throw failure;
  return failure;
}
