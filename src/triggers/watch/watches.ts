/** The watches of all jobs: begun, changed and ended as jobs.yml says, each with the requests that it causes. */
import type { Report } from '../../core/events.js';
import type { Job } from '../../core/job.js';
import { present } from '../../core/present.js';
import type { WatchView } from '../../core/request.js';
import type { QueuedRun } from '../../queue/request-run.js';
import { type Watch, type WatchState, watchFolder } from './watch.js';
import { WatchRequests } from './watch-requests.js';

export interface WatchesOptions {
  readonly request: (job: Job, folders: readonly string[] | undefined) => Promise<QueuedRun>;
  readonly endOf: (run: string) => Promise<Report | 'lost' | undefined>;
  /** Whether a path below the job's source is in scope. */
  readonly wanted: (job: Job) => (path: string, isFolder: boolean) => boolean;
  readonly isPaused: (job: string) => boolean;
  /** Whether it is known that the queue is out of reach: then a request that fails is no news. */
  readonly isQueueAway: () => boolean;
  readonly onNote: (job: string, level: 'info' | 'warn', message: string) => void;
}

export interface Watches {
  /** Replaces the watched jobs. A job whose definition is unchanged stays watched without a break. */
  set(jobs: readonly Job[]): void;
  state(job: string): WatchView;
  /** Must be called when a run has ended. */
  ended(run: string): void;
  /** Requests a run of the whole tree for every job. */
  rescan(): void;
  /** A job may run again: requests a run of its whole tree, for the changes since it was paused. */
  resumed(job: string): void;
  close(): Promise<void>;
}

interface JobWatch {
  /** The job's definition when the watch began, as JSON. */
  readonly definition: string;
  readonly watch: Watch;
  readonly requests: WatchRequests;
  state: WatchState;
  /** As the watch reported it with its state. */
  why: string | undefined;
}

export function createWatches(options: WatchesOptions): Watches {
  const watches = new Map<string, JobWatch>();
  const ending = new Set<Promise<void>>();

  const end = (job: string, { watch, requests }: JobWatch) => {
    watches.delete(job);
    requests.stop();
    const closed = watch.close().finally(() => ending.delete(closed));
    ending.add(closed);
  };

  const begin = (job: Job, definition: string) => {
    const { watch: rules, retry } = job.starts;
    if (rules === undefined) return;
    const note = (level: 'info' | 'warn', message: string) =>
      options.onNote(job.name, level, message);
    const requests = new WatchRequests({
      retry,
      request: (folders) => options.request(job, folders),
      endOf: options.endOf,
      isPaused: () => options.isPaused(job.name),
      onError(error) {
        if (options.isQueueAway()) return;
        note('warn', `changes seen by the watch could not be queued yet: ${error.message}`);
      },
    });
    const watch = watchFolder({
      root: job.from.path,
      settle: job.settle,
      rescan: rules.rescan,
      poll: rules.poll,
      wanted: options.wanted(job),
      onSettled: (folders) => requests.settled(folders),
      onRescan: () => requests.rescan(),
      onState(state, why) {
        one.state = state;
        one.why = why;
        if (state === 'degraded')
          note('warn', why ?? 'some changes are missed until the next rescan');
        else if (state === 'watching') note('info', `watches ${job.from.label}`);
        else if (why === undefined) note('info', `polls ${job.from.label}`);
        else note('info', `polls ${job.from.label}, since ${why} reports no changes`);
      },
    });
    const one: JobWatch = { definition, watch, requests, state: 'watching', why: undefined };
    watches.set(job.name, one);
  };

  return {
    set(jobs) {
      const next = new Map(jobs.map((job) => [job.name, job]));
      for (const [name, one] of watches) {
        const job = next.get(name);
        if (job === undefined || JSON.stringify(job) !== one.definition) end(name, one);
      }
      for (const job of jobs) if (!watches.has(job.name)) begin(job, JSON.stringify(job));
    },
    state(job) {
      const found = watches.get(job);
      return present({
        watch: found?.state,
        fileSystem: found?.state === 'polling' ? found.why : undefined,
        whyDegraded: found?.state === 'degraded' ? found.why : undefined,
      });
    },
    ended(run) {
      for (const { requests } of watches.values()) requests.ended(run);
    },
    rescan() {
      for (const { requests } of watches.values()) requests.rescan();
    },
    resumed(job) {
      watches.get(job)?.requests.rescan();
    },
    async close() {
      for (const [name, one] of watches) end(name, one);
      await Promise.all(ending);
    },
  };
}
