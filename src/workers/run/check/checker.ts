/**
 * Walks both sides of a job as the scan of a run does, and compares the bytes of every pair of files.
 * Only counts are kept: each difference is handed on as it is found, so that memory does not grow
 * with the tree. check-job.ts opens the sides and makes the report.
 */
import { all, Budget, each, requestsAtOnce, walk } from '../../../core/at-once.js';
import type { DifferenceEvent, Sample } from '../../../core/check.js';
import type { Stat } from '../../../core/entry.js';
import { asFerryError, endsRun, FerryError } from '../../../core/errors.js';
import type { Endpoint } from '../../../endpoints/endpoint.js';
import type { Scope } from '../../../jobs/plan/filter.js';
import type { FolderPlan, PlanRules, Undecided } from '../../../jobs/plan/folder-types.js';
import type { Action, PathProblem } from '../../../jobs/plan/plan.js';
import { memoryFor, sameContent } from '../copy/content.js';
import { ListingPace } from '../scan/listing-pace.js';
import { FolderReader, type FolderTask } from '../scan/read-folder.js';
import type { SameNames } from '../scan/same-names.js';
import { mayBeGone, provenGone } from '../vanished.js';
import { isChosen, lotOf } from './sample.js';

export interface CheckRequest {
  readonly source: Endpoint;
  readonly destination: Endpoint;
  /** The source's name if it is one file. */
  readonly only: string | undefined;
  readonly scope: Scope;
  readonly rules: PlanRules;
  readonly sameNames: SameNames;
  /** Whether a path is that of a file that may grow (`live`): then only the bytes that it was listed with count. */
  readonly isLive: ((path: string) => boolean) | undefined;
  /** Absent: every file is read. */
  readonly sample: Sample | undefined;
  /** Resolves when this many more bytes may flow. */
  readonly pass: ((bytes: number) => Promise<void>) | undefined;
  readonly signal: AbortSignal;
  readonly onDifference: (path: string, kind: DifferenceEvent['kind'], message: string) => void;
  readonly onUnreadable: (problem: PathProblem) => void;
  readonly onSkip: (path: string, kind: string, message: string) => void;
  readonly onVanished: (path: string) => void;
  /** Called whenever a count has changed. */
  readonly onProgress: (counts: Counts) => void;
}

export interface Counts {
  entries: number;
  files: number;
  read: number;
  /** Bytes of one side that were found equal. */
  bytes: number;
  equal: number;
}

/** Bytes of memory for comparing them; further pairs wait. */
const pairsMemoryBytes = 32 * 1024 * 1024;
/** Tries for one pair: the first, and further ones after the connection was lost. */
const triesPerPair = 4;

export class Checker {
  readonly #request: CheckRequest;
  readonly #reader: FolderReader;
  readonly #pace: ListingPace;
  readonly #pairs: Budget;
  readonly #memory = new Budget(pairsMemoryBytes);
  readonly #counts: Counts = { entries: 0, files: 0, read: 0, bytes: 0, equal: 0 };
  /** Of the files that the sample leaves out, the one nearest to it. */
  #nearest: { readonly lot: number; readonly pair: Undecided } | undefined;

  constructor(request: CheckRequest) {
    const { source, destination } = request;
    this.#request = request;
    this.#reader = new FolderReader(request);
    this.#pace = new ListingPace(source, destination);
    const roundTripMs = Math.max(source.can.roundTrip, destination.can.roundTrip);
    // both files of a pair may be open on one session
    const handles = Math.floor(Math.min(source.can.maxHandles, destination.can.maxHandles) / 2);
    this.#pairs = new Budget(Math.max(1, Math.min(requestsAtOnce(roundTripMs), handles)));
  }

  /** Resolves to the counts once all is compared; rejects only with an error that ends the check. */
  async check(): Promise<Counts> {
    const { scope, source, onVanished } = this.#request;
    const root: FolderTask = {
      ...{ path: '', from: '', source: true, destination: true },
      scope,
      trail: [''],
    };
    await walk(
      root,
      () => this.#pace.atOnce(),
      (task) => this.#visit(task),
    );
    if (!this.#reader.sourceExists)
      throw new FerryError('refused', `the source ${source.label} does not exist`, {
        hint: 'check the path and whether its file system is mounted',
      });
    // a sample of a few files reads at least one of them
    if (this.#counts.read === 0 && this.#nearest !== undefined)
      await this.#comparePair(this.#nearest.pair);
    for (const path of this.#reader.vanished) onVanished(path);
    return this.#counts;
  }

  /** Compares one folder; resolves to the folders to visit next. */
  async #visit(task: FolderTask): Promise<FolderTask[]> {
    const { rules, sameNames, onProgress, signal } = this.#request;
    const read = await this.#reader.read(task);
    if (read === undefined) return [];
    if ('error' in read) {
      signal.throwIfAborted();
      const { kind, message } = failureOf(read.error);
      const where = `${read.side.label}: the folder can't be listed: ${message}`;
      this.#request.onUnreadable({ path: task.path, kind, message: where });
      return [];
    }
    const { pair, scope } = read;
    const folder = await sameNames.plan(pair, scope, rules, signal);
    this.#count(task.path, folder);
    this.#tellDifferences(folder);
    const chosen = folder.undecided.filter((both) => this.#isChosen(both));
    await each(chosen, Math.min(this.#pairs.size, chosen.length), (both) => this.#compare(both));
    onProgress(this.#counts);
    return folder.descend.map((next) => ({
      ...{ path: next.path, from: next.from, source: next.source, destination: next.destination },
      scope,
      trail: rules.symlinks === 'follow' ? [...task.trail, next.from] : task.trail,
    }));
  }

  #count(path: string, folder: FolderPlan): void {
    const { onUnreadable, onSkip } = this.#request;
    this.#pace.listed(path, folder.compared);
    this.#counts.entries = this.#pace.entries;
    this.#counts.files += folder.sourceFiles;
    this.#counts.equal += folder.unchanged; // links
    for (const failure of folder.failures) onUnreadable(failure);
    for (const { path, kind, message } of folder.skips) onSkip(path, kind, message);
  }

  #tellDifferences(folder: FolderPlan): void {
    const { onDifference } = this.#request;
    for (const { path, message } of folder.conflicts) onDifference(path, 'conflict', message);
    const there = new Map<string, Stat['kind']>();
    for (const action of folder.actions)
      if (action.action === 'delete') there.set(action.path, action.seen.kind);
    for (const action of folder.actions) this.#tellAction(action, there);
    for (const [path, kind] of there) this.#tellExtra(path, kind);
  }

  /** `there` has what the destination has and the source lacks, or has as another kind; that is removed from it. */
  #tellAction(action: Action, there: Map<string, Stat['kind']>): void {
    const { onDifference, source, destination } = this.#request;
    const { path } = action;
    if (action.action === 'delete') return;
    const other = there.get(path);
    there.delete(path);
    if (other !== undefined)
      onDifference(
        path,
        'conflict',
        `a ${other} in ${destination.label}, but not in ${source.label}`,
      );
    else if (action.action === 'copy' || action.action === 'link') {
      if (action.destination === undefined)
        onDifference(path, 'missing', `only in ${source.label}`);
      else if (action.action === 'link')
        onDifference(path, 'content', 'a link with another target');
      else
        onDifference(
          path,
          'size',
          `${action.source.size} bytes in ${source.label}, ${action.destination.size} in ${destination.label}`,
        );
    }
  }

  #tellExtra(path: string, kind: Stat['kind']): void {
    const { onDifference, destination } = this.#request;
    if (kind !== 'folder') onDifference(path, 'extra', `only in ${destination.label}`);
  }

  /** Whether the pair's bytes are compared. */
  #isChosen(pair: Undecided): boolean {
    const { sample } = this.#request;
    if (sample === undefined) return true;
    const lot = lotOf(pair.path, sample.seed);
    if (isChosen(lot, sample)) return true;
    if (this.#nearest === undefined || lot < this.#nearest.lot) this.#nearest = { lot, pair };
    return false;
  }

  async #compare(pair: Undecided): Promise<void> {
    const { source, destination } = this.#request;
    await this.#pairs.take(1);
    const bytes = memoryFor(source, destination, pair.source.size);
    await this.#memory.take(bytes);
    try {
      await this.#comparePair(pair);
    } finally {
      this.#memory.give(bytes);
      this.#pairs.give(1);
    }
  }

  async #comparePair(pair: Undecided): Promise<void> {
    const { signal, source, onDifference, onUnreadable, onProgress } = this.#request;
    const { path, from } = pair;
    try {
      const same = await this.#sameBytes(pair);
      this.#counts.read++;
      if (same) this.#counts.equal++;
      else if (await this.#hasChanged(pair))
        onUnreadable({ path, kind: 'changed', message: 'it changed while it was checked' });
      else onDifference(path, 'content', 'the same size, but other bytes');
    } catch (error) {
      signal.throwIfAborted();
      const { kind, message } = failureOf(error);
      if (mayBeGone(error, from) && (await provenGone(source, from, signal)))
        this.#reader.vanished.push(path);
      else onUnreadable({ path, kind, message });
    }
    onProgress(this.#counts);
  }

  async #sameBytes({ path, from, rename, source }: Undecided): Promise<boolean> {
    const { isLive, pass, signal, onProgress } = this.#request;
    const { size } = source;
    const known = size !== undefined && isLive?.(path) ? { limit: size } : { size };
    const counts = this.#counts;
    for (let attempt = 1; ; attempt++) {
      let counted = 0;
      const onBytes = (bytes: number) => {
        counted += bytes;
        counts.bytes += bytes;
        onProgress(counts);
      };
      try {
        return await sameContent(
          this.#request.source,
          from,
          this.#request.destination,
          rename ?? path,
          signal,
          { ...known, pass, onBytes },
        );
      } catch (error) {
        counts.bytes -= counted;
        if (signal.aborted) throw signal.reason;
        if (asFerryError(error).kind !== 'network' || attempt >= triesPerPair) throw error;
      }
    }
  }

  /** Whether one of two different files is no longer as it was listed; then nothing can be said about them. */
  async #hasChanged({ path, from, rename, source, destination }: Undecided): Promise<boolean> {
    const { signal } = this.#request;
    const [ours, theirs] = await all(
      this.#request.source.stat(from, signal),
      this.#request.destination.stat(rename ?? path, signal),
    );
    if (ours === undefined)
      throw new FerryError('io', 'it is gone', { path: from, code: 'ENOENT' });
    return !isAsListed(source, ours) || theirs === undefined || !isAsListed(destination, theirs);
  }
}

function isAsListed(listed: Stat, now: Stat): boolean {
  return now.kind === 'file' && now.size === listed.size && now.mtime === listed.mtime;
}

/** The error of one path; throws an error that ends the check. */
function failureOf(error: unknown): FerryError {
  const failure = asFerryError(error);
  if (endsRun(failure.kind)) throw failure;
  return failure;
}
