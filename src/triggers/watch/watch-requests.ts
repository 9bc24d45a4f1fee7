/**
 * Turns what a watch reports into requests for runs. A folder, or the whole tree, is forgotten only
 * when a run that began after the change, and covers it, has succeeded; until then it is requested
 * again. What a person stopped (a cancelled or refused run of ours) waits for the next whole look.
 */
import { parentOf } from '../../core/entry.js';
import type { Report } from '../../core/events.js';
import { secretMark } from '../../core/text.js';
import type { QueuedRun } from '../../queue/request-run.js';

export interface WatchRequestsOptions {
  /** Milliseconds before folders that failed are requested again; doubled each time, up to `maxBackoff`. */
  readonly retry: { readonly backoff: number; readonly maxBackoff: number };
  /** Puts a request in the queue: for these folders, or for the whole tree. */
  readonly request: (folders: readonly string[] | undefined) => Promise<QueuedRun>;
  /** The report of a run that has ended; undefined before that, `lost` when nothing is known of the run any more. */
  readonly endOf: (run: string) => Promise<Report | 'lost' | undefined>;
  readonly isPaused: () => boolean;
  /** Called when the queue did not take a request; it will be made again. */
  readonly onError: (error: Error) => void;
}

/** With more folders than this, the whole tree is requested. */
const mostFolders = 1000;
/** Before a queue that took no request is asked again; doubled each time, up to a minute. */
const queueRetryMs = 1000;
const longestQueueRetryMs = 60_000;
/** Between two checks whether a run has ended, in case `ended` is not called. */
const checkRunEveryMs = 10_000;

/** A run that is waited for, and what it is to do. */
interface Awaited extends QueuedRun {
  /** Undefined: the whole tree. */
  readonly folders: readonly string[] | undefined;
}

export class WatchRequests {
  readonly #options: WatchRequestsOptions;
  /** Folders to request. */
  readonly #pending = new Set<string>();
  /** Whether to request the whole tree. */
  #wholeTree = false;
  /** At most one run for folders and one for the whole tree is waited for; what comes meanwhile is requested when it has ended. */
  readonly #awaited = new Map<'folders' | 'tree', Awaited>();
  #requesting = false;
  /** Requests in a row that the queue did not take. */
  #refusals = 0;
  /** Runs in a row that left something undone. */
  #failures = 0;
  readonly #timers = new Set<NodeJS.Timeout>();
  #stopped = false;

  constructor(options: WatchRequestsOptions) {
    this.#options = options;
  }

  /** Files in these folders have come to rest. */
  settled(folders: readonly string[]): void {
    for (const folder of folders) this.#pending.add(folder);
    void this.#requestPending();
  }

  /** The whole tree must be looked at. */
  rescan(): void {
    this.#wholeTree = true;
    void this.#requestPending();
  }

  /** Must be called when a run has ended, any run. */
  ended(run: string): void {
    for (const awaited of this.#awaited.values())
      if (awaited.run === run) void this.#checkEnd(awaited);
  }

  stop(): void {
    this.#stopped = true;
    for (const timer of this.#timers) clearTimeout(timer);
  }

  async #requestPending(): Promise<void> {
    if (this.#requesting || this.#stopped || this.#options.isPaused()) return;
    this.#requesting = true;
    try {
      while (this.#isDue('tree') || this.#isDue('folders')) {
        if (this.#pending.size > mostFolders) {
          this.#pending.clear();
          this.#wholeTree = true;
        }
        if (this.#isDue('tree')) await this.#request(undefined);
        if (this.#isDue('folders')) await this.#request([...this.#pending].sort());
        this.#refusals = 0;
      }
    } catch (error) {
      this.#options.onError(error as Error);
      const delay = Math.min(queueRetryMs * 2 ** this.#refusals++, longestQueueRetryMs);
      this.#later(delay, () => void this.#requestPending());
    } finally {
      this.#requesting = false;
    }
  }

  #isDue(what: 'folders' | 'tree'): boolean {
    const isWanted = what === 'tree' ? this.#wholeTree : this.#pending.size > 0;
    return isWanted && !this.#awaited.has(what) && !this.#stopped;
  }

  async #request(folders: readonly string[] | undefined): Promise<void> {
    if (folders === undefined) this.#wholeTree = false;
    else this.#pending.clear();
    const queued = await this.#options.request(folders).catch((error) => {
      this.#again(folders);
      throw error;
    });
    const awaited = { ...queued, folders };
    this.#awaited.set(folders === undefined ? 'tree' : 'folders', awaited);
    void this.#checkEnd(awaited);
  }

  /** Notes what is to be requested. */
  #again(folders: readonly string[] | undefined): void {
    if (folders === undefined) this.#wholeTree = true;
    else for (const folder of folders) this.#pending.add(folder);
  }

  /** If a run that is waited for has ended, requests again what it left undone. */
  async #checkEnd(awaited: Awaited): Promise<void> {
    const what = awaited.folders === undefined ? 'tree' : 'folders';
    if (this.#stopped) return;
    let end: Report | 'lost' | undefined;
    try {
      end = await this.#options.endOf(awaited.run);
    } catch {
      // The queue is unreachable: it is asked again later.
    }
    if (this.#awaited.get(what) !== awaited) return;
    if (end === undefined) {
      this.#later(checkRunEveryMs, () => void this.#checkEnd(awaited));
      return;
    }
    this.#awaited.delete(what);
    const left = undone(end, awaited);
    if (left === 'nothing') this.#failures = 0;
    else {
      const { backoff, maxBackoff } = this.#options.retry;
      this.#later(Math.min(backoff * 2 ** this.#failures++, maxBackoff), () => {
        this.#again(left.folders);
        void this.#requestPending();
      });
    }
    void this.#requestPending();
  }

  #later(ms: number, work: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      work();
    }, ms);
    timer.unref();
    this.#timers.add(timer);
  }
}

/** What an ended run left undone. */
function undone(
  end: Report | 'lost',
  { folders, joined }: Awaited,
): Pick<Awaited, 'folders'> | 'nothing' {
  if (end === 'lost') return { folders };
  if (end.outcome === 'succeeded') return 'nothing';
  // Somebody stopped it, and the next look at the whole tree finds what it left. One that we only joined was stopped for another reason.
  if (end.outcome === 'cancelled' && !joined) return 'nothing';
  if (end.outcome === 'refused' && folders === undefined) return 'nothing';
  const paths = end.failures.map(({ path }) => path);
  const named =
    folders !== undefined &&
    end.error === undefined &&
    end.failuresOmitted === 0 &&
    paths.length > 0 &&
    !paths.some((path) => path.includes(secretMark));
  return { folders: named ? [...new Set(paths.map(parentOf))] : folders };
}
