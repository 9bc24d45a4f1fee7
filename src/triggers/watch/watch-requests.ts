/**
 * From what a watch saw to requests for runs. A folder is forgotten only when a run that was asked
 * for after its change, and covers it, has succeeded; until then it is asked for again.
 */
import { parentOf } from '../../core/entry.js';
import type { Report } from '../../core/events.js';
import { secretMark } from '../../core/text.js';
import type { RequestedRun } from '../../queue/request-run.js';

export interface WatchRequestsOptions {
  /** Milliseconds before folders that failed are asked for again, doubled each time up to the second one. */
  readonly retry: { readonly backoff: number; readonly maxBackoff: number };
  /** Puts a request in the queue: for these folders, or the whole tree. */
  readonly request: (folders: readonly string[] | undefined) => Promise<RequestedRun>;
  /** The report of a run, once it has ended: undefined before; `lost` when nothing is known of it any more. */
  readonly endOf: (run: string) => Promise<Report | 'lost' | undefined>;
  readonly isPaused: () => boolean;
  /** Told when the queue did not take a request. */
  readonly onError: (error: Error) => void;
}

export interface WatchRequests {
  /** In these folders, files have come to rest. */
  settled(folders: readonly string[]): void;
  /** The whole tree has to be looked at. */
  rescan(): void;
  /** A run has ended, whosever it was. */
  ended(run: string): void;
  stop(): void;
}

/** More folders than this are no longer worth naming. */
const mostFolders = 1000;
/** Milliseconds before a queue that took no request is asked again; doubled up to a minute. */
const queueRetry = 1000;
/** Milliseconds between looks at a run whose end nobody told. */
const lookEvery = 10_000;

export function createWatchRequests(options: WatchRequestsOptions): WatchRequests {
  const pending = new Set<string>();
  let whole = false;
  /** What was asked for and has not ended. */
  let asked: { readonly run: string; readonly folders: readonly string[] } | undefined;
  let busy = false;
  let stopped = false;
  let refusals = 0;
  let failures = 0;
  const timers = new Set<NodeJS.Timeout>();

  const later = (ms: number, work: () => void) => {
    const timer = setTimeout(() => {
      timers.delete(timer);
      work();
    }, ms);
    timer.unref();
    timers.add(timer);
  };

  const pump = async () => {
    if (busy || stopped || options.isPaused()) return;
    busy = true;
    try {
      if (pending.size > mostFolders) {
        pending.clear();
        whole = true;
      }
      if (whole) {
        whole = false;
        await options.request(undefined).catch((error) => {
          whole = true;
          throw error;
        });
      }
      if (pending.size > 0 && asked === undefined) {
        const folders = [...pending].sort();
        pending.clear();
        const back = () => {
          for (const folder of folders) pending.add(folder);
        };
        const { run, joined } = await options.request(folders).catch((error) => {
          back();
          throw error;
        });
        // Somebody else's run of some folders: these are asked for when that has ended.
        if (joined !== undefined) back();
        asked = { run: joined?.run ?? run, folders: joined === undefined ? folders : [] };
        void settle();
      }
      refusals = 0;
    } catch (error) {
      options.onError(error as Error);
      later(Math.min(queueRetry * 2 ** refusals++, 60_000), () => void pump());
    } finally {
      busy = false;
    }
    if (whole) return;
    if (pending.size > 0 && asked === undefined && refusals === 0) void pump();
  };

  /** Looks whether what was asked for has ended, and what of it has to be asked for again. */
  const settle = async () => {
    const mine = asked;
    if (mine === undefined || stopped) return;
    let end: Report | 'lost' | undefined;
    try {
      end = await options.endOf(mine.run);
    } catch {
      // The queue is out of reach; it will be looked at again.
    }
    if (asked !== mine) return;
    if (end === undefined) {
      later(lookEvery, () => void settle());
      return;
    }
    asked = undefined;
    const again = undone(end, mine.folders);
    if (again.length === 0) failures = 0;
    else {
      const { backoff, maxBackoff } = options.retry;
      later(Math.min(backoff * 2 ** failures++, maxBackoff), () => {
        for (const folder of again) pending.add(folder);
        void pump();
      });
    }
    void pump();
  };

  return {
    settled(folders) {
      for (const folder of folders) pending.add(folder);
      void pump();
    },
    rescan() {
      whole = true;
      void pump();
    },
    ended(run) {
      if (asked?.run === run) void settle();
    },
    stop() {
      stopped = true;
      for (const timer of timers) clearTimeout(timer);
    },
  };
}

/** The folders of a run that are still to be done. */
function undone(end: Report | 'lost', folders: readonly string[]): readonly string[] {
  if (end === 'lost') return folders;
  if (end.outcome === 'succeeded') return [];
  // Whoever cancels means it; the next look at the whole tree finds what was left.
  if (end.outcome === 'cancelled') return [];
  const paths = end.failures.map(({ path }) => path);
  const named =
    end.error === undefined &&
    end.failuresOmitted === 0 &&
    !paths.some((path) => path.includes(secretMark));
  return named ? [...new Set(paths.map(parentOf))] : folders;
}
