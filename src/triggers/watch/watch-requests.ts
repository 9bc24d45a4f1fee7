/**
 * Turns what a watch reports into requests for runs. A folder is forgotten only when a run that was
 * requested after its change, and covers it, has succeeded; until then it is requested again.
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

export class WatchRequests {
  readonly #options: WatchRequestsOptions;
  /** Folders to request. */
  readonly #pending = new Set<string>();
  /** Whether to request the whole tree. */
  #wholeTree = false;
  /** The run that is waited for, and the folders requested with it. */
  #awaited: { readonly run: string; readonly folders: readonly string[] } | undefined;
  #requesting = false;
  /** Requests in a row that the queue did not take. */
  #refusals = 0;
  /** Runs in a row that did not do all their folders. */
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
    if (this.#awaited?.run === run) void this.#checkAwaited();
  }

  stop(): void {
    this.#stopped = true;
    for (const timer of this.#timers) clearTimeout(timer);
  }

  async #requestPending(): Promise<void> {
    if (this.#requesting || this.#stopped || this.#options.isPaused()) return;
    this.#requesting = true;
    try {
      if (this.#pending.size > mostFolders) {
        this.#pending.clear();
        this.#wholeTree = true;
      }
      if (this.#wholeTree) await this.#requestWholeTree();
      if (this.#pending.size > 0 && this.#awaited === undefined) await this.#requestFolders();
      this.#refusals = 0;
    } catch (error) {
      this.#options.onError(error as Error);
      const delay = Math.min(queueRetryMs * 2 ** this.#refusals++, longestQueueRetryMs);
      this.#later(delay, () => void this.#requestPending());
    } finally {
      this.#requesting = false;
    }
    if (this.#wholeTree) return;
    if (this.#pending.size > 0 && this.#awaited === undefined && this.#refusals === 0)
      void this.#requestPending();
  }

  async #requestWholeTree(): Promise<void> {
    this.#wholeTree = false;
    await this.#options.request(undefined).catch((error) => {
      this.#wholeTree = true;
      throw error;
    });
  }

  async #requestFolders(): Promise<void> {
    const folders = [...this.#pending].sort();
    this.#pending.clear();
    const putBack = () => {
      for (const folder of folders) this.#pending.add(folder);
    };
    const { run, joined } = await this.#options.request(folders).catch((error) => {
      putBack();
      throw error;
    });
    // A run of other folders is in the way: these are requested when it has ended.
    if (joined !== undefined) putBack();
    this.#awaited = { run: joined?.run ?? run, folders: joined === undefined ? folders : [] };
    void this.#checkAwaited();
  }

  /** If the awaited run has ended, requests again what it left undone. */
  async #checkAwaited(): Promise<void> {
    const awaited = this.#awaited;
    if (awaited === undefined || this.#stopped) return;
    let end: Report | 'lost' | undefined;
    try {
      end = await this.#options.endOf(awaited.run);
    } catch {
      // The queue is unreachable: it is asked again later.
    }
    if (this.#awaited !== awaited) return;
    if (end === undefined) {
      this.#later(checkRunEveryMs, () => void this.#checkAwaited());
      return;
    }
    this.#awaited = undefined;
    const again = undone(end, awaited.folders);
    if (again.length === 0) this.#failures = 0;
    else {
      const { backoff, maxBackoff } = this.#options.retry;
      this.#later(Math.min(backoff * 2 ** this.#failures++, maxBackoff), () => {
        for (const folder of again) this.#pending.add(folder);
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

/** The folders that an ended run left undone. */
function undone(end: Report | 'lost', folders: readonly string[]): readonly string[] {
  if (end === 'lost') return folders;
  if (end.outcome === 'succeeded') return [];
  // A cancelled run is not repeated; the next look at the whole tree finds what it left.
  if (end.outcome === 'cancelled') return [];
  const paths = end.failures.map(({ path }) => path);
  const named =
    end.error === undefined &&
    end.failuresOmitted === 0 &&
    !paths.some((path) => path.includes(secretMark));
  return named ? [...new Set(paths.map(parentOf))] : folders;
}
