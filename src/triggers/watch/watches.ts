/** The watches of all jobs: begun, changed and ended as jobs.yml says, each with the requests that follow from it. */
import type { Report } from '../../core/events.js';
import type { Job } from '../../core/job.js';
import type { RequestedRun } from '../../queue/request-run.js';
import { type Watch, watchFolder } from './watch.js';
import { createWatchRequests, type WatchRequests } from './watch-requests.js';

export interface WatchesOptions {
  readonly request: (job: Job, folders: readonly string[] | undefined) => Promise<RequestedRun>;
  readonly endOf: (run: string) => Promise<Report | 'lost' | undefined>;
  /** Whether a path below the job's source is in scope. */
  readonly wanted: (job: Job) => (path: string, isFolder: boolean) => boolean;
  readonly isPaused: (job: string) => boolean;
  readonly onNote: (job: string, level: 'info' | 'warn', message: string) => void;
}

export interface Watches {
  /** The jobs to watch from now on. One whose definition is the same goes on undisturbed. */
  set(jobs: readonly Job[]): void;
  state(job: string): 'watching' | 'degraded' | undefined;
  /** A run has ended. */
  ended(run: string): void;
  /** Everything has to be looked at anew. */
  rescan(): void;
  /** A job may run again: what changed meanwhile is looked for. */
  resumed(job: string): void;
  close(): Promise<void>;
}

interface Watched {
  /** The definition it was begun with. */
  readonly identity: string;
  readonly watch: Watch;
  readonly requests: WatchRequests;
  state: 'watching' | 'degraded';
}

export function createWatches(options: WatchesOptions): Watches {
  const watched = new Map<string, Watched>();
  const ending = new Set<Promise<void>>();

  const end = (job: string, { watch, requests }: Watched) => {
    watched.delete(job);
    requests.stop();
    const closed = watch.close().finally(() => ending.delete(closed));
    ending.add(closed);
  };

  const begin = (job: Job, identity: string) => {
    const { watch: rules, retry } = job.starts;
    if (rules === undefined) return;
    const note = (level: 'info' | 'warn', message: string) =>
      options.onNote(job.name, level, message);
    const requests = createWatchRequests({
      retry,
      request: (folders) => options.request(job, folders),
      endOf: options.endOf,
      isPaused: () => options.isPaused(job.name),
      onError: (error) => note('warn', `what its watch saw waits: ${error.message}`),
    });
    const watch = watchFolder({
      root: job.from.path,
      settle: rules.settle,
      rescan: rules.rescan,
      wanted: options.wanted(job),
      onSettled: (folders) => requests.settled(folders),
      onRescan: () => requests.rescan(),
      onState(state, why) {
        one.state = state;
        if (state === 'degraded') note('warn', why ?? 'some changes are missed until the rescan');
        else note('info', `watches ${job.from.label}`);
      },
    });
    const one: Watched = { identity, watch, requests, state: 'watching' };
    watched.set(job.name, one);
  };

  return {
    set(jobs) {
      const next = new Map(jobs.map((job) => [job.name, job]));
      for (const [name, one] of watched) {
        const job = next.get(name);
        if (job === undefined || JSON.stringify(job) !== one.identity) end(name, one);
      }
      for (const job of jobs) if (!watched.has(job.name)) begin(job, JSON.stringify(job));
    },
    state: (job) => watched.get(job)?.state,
    ended(run) {
      for (const { requests } of watched.values()) requests.ended(run);
    },
    rescan() {
      for (const { requests } of watched.values()) requests.rescan();
    },
    resumed(job) {
      watched.get(job)?.requests.rescan();
    },
    async close() {
      for (const [name, one] of watched) end(name, one);
      await Promise.all(ending);
    },
  };
}
