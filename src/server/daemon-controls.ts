/** What a daemon answers to requests: `Controls` over the queue, the reports that are kept, and the jobs in use. */
import { aborted } from '../core/abort.js';
import { FerryError } from '../core/errors.js';
import type { Report } from '../core/events.js';
import type { Job } from '../core/job.js';
import { warningsOfWorkers } from '../core/known-worker.js';
import { argumentsOf, type Pause, reasonOfPause, viewOfPause } from '../core/pause.js';
import type { Permit } from '../core/permit.js';
import { present } from '../core/present.js';
import type { JobView, RunRequest, RunView, WatchView } from '../core/request.js';
import { type KnownRun, runsMeant } from '../core/run-id.js';
import { isOpen, nextEdge } from '../core/window.js';
import { takeJobPermit } from '../queue/job-permit.js';
import type { OpenQueue } from '../queue/open.js';
import {
  type Controls,
  type DaemonStatus,
  type Enqueued,
  noSuchJob,
  noSuchRun,
  severalRuns,
} from './control/controls.js';
import { pauseControls } from './pause-controls.js';
import { RunEnds } from './run-ends.js';

/** What the answers are made of: the queue, and what other rooms know. */
export interface DaemonControlsParts {
  readonly queue: OpenQueue;
  readonly jobs: () => ReadonlyMap<string, Job>;
  /** The names of the remotes of jobs.yml. */
  readonly remotes: () => Iterable<string>;
  /** What `status` says about the daemon itself. */
  readonly about: () => Omit<DaemonStatus, 'queue' | 'jobs' | 'pauses' | 'workers' | 'warnings'>;
  /** Ms since the epoch. */
  readonly nextSlot: (job: string) => number | undefined;
  readonly watchState: (job: string) => WatchView;
  readonly newRunId: () => string;
  /** Stops a run that is in hand here; false when it isn't. */
  readonly cancelHere: (run: string) => boolean;
  /** The pause that keeps runs of a job from starting. */
  readonly pauseOf: (job: string) => Pause | undefined;
  /** The pauses have changed. */
  readonly onPauses: () => void;
  /** The latest slot of a job after a moment that has passed; both in ms since the epoch. */
  readonly latestSlot: (job: string, after: number) => number | undefined;
  readonly reports: {
    list(options: { job?: string; limit: number; idle?: boolean }): Promise<readonly Report[]>;
    /** How many runs that changed nothing `list` leaves out without `idle`, back to this run. */
    idle(job: string | undefined, since: string | undefined): Promise<number>;
    read(run: string): Promise<Report | undefined>;
    names(): Promise<readonly KnownRun[]>;
    /** Records a run that was cancelled before it began. */
    cancelled(view: RunView): Promise<void>;
  };
  readonly log: Controls['log'];
}

export interface DaemonControls extends Controls {
  /** A run has ended, wherever it was carried out. */
  ended(run: string): void;
}

export function createDaemonControls(parts: DaemonControlsParts): DaemonControls {
  const { queue, reports } = parts;
  const { runs, signals } = queue;
  const ends = new RunEnds({ find: (run) => runs.find(run), report: (run) => reports.read(run) });

  const jobNamed = (name: string): Job => {
    const job = parts.jobs().get(name);
    if (job === undefined) throw noSuchJob(name, parts.jobs().keys());
    return job;
  };

  const enqueue = async (name: string): Promise<Enqueued> => {
    const job = jobNamed(name);
    const { starts } = job;
    const pause = parts.pauseOf(name);
    if (pause !== undefined) throw isPaused(name, pause);
    const request: RunRequest = { run: parts.newRunId(), job: name, trigger: 'manual' };
    const rules = { worker: starts.worker, attempts: starts.retry.attempts };
    const queued = await runs.request(request, rules);
    return { ...queued, ...present({ opensAt: opensAt(job) }) };
  };

  /** For a run by hand: a login's permit is waited for, a job's is free or not. */
  const takePermit = async (name: string, count: number, signal: AbortSignal): Promise<Permit> => {
    const job = name.startsWith('job-') ? name.slice('job-'.length) : undefined;
    if (job === undefined) return queue.permits.take(name, count, signal);
    const active = (await runs.list(0)).find((view) => view.job === job && view.state === 'active');
    return takeJobPermit(queue.permits, job, active?.run, signal);
  };

  return {
    ended: (run) => ends.ended(run),
    enqueue,

    async outcome(run, signal) {
      const report = await ends.endOf(run, signal);
      if (report === undefined) throw noSuchRun(run);
      return report;
    },

    async find(name) {
      const queued = queue.trouble() === undefined ? await runs.list(0) : [];
      const [run, ...more] = runsMeant(name, [...queued, ...(await reports.names())]);
      if (run === undefined) throw noSuchRun(name);
      if (more.length > 0) throw severalRuns(name, [run, ...more]);
      return run;
    },

    async rerun(run) {
      const view = await runs.find(run);
      const job = view?.job ?? (await reports.read(run))?.job;
      if (job === undefined) throw noSuchRun(run);
      if (view !== undefined && view.state !== 'ended')
        throw new FerryError('busy', `run ${run} has not ended`, {
          hint: `\`ferryline logs -f ${run}\` shows what it does`,
        });
      return enqueue(job);
    },

    async cancel(run) {
      const view = await runs.find(run);
      if (view === undefined || view.state === 'ended') {
        if (view === undefined && (await reports.read(run)) === undefined) throw noSuchRun(run);
        return { was: 'ended' };
      }
      if (view.state !== 'active' && (await runs.remove(run))) {
        await reports.cancelled(view);
        await signals.send('ended', { run });
        return { was: 'waiting' };
      }
      if (parts.cancelHere(run)) return { was: 'active' };
      // Its worker may be dead: the mark is for the one that takes the run over.
      await runs.markCancelled(run);
      await signals.send('cancel', { run });
      return { was: 'active' };
    },

    ...pauseControls(parts),

    async runs(job, limit, idle) {
      if (job !== undefined) jobNamed(job);
      // Ended runs are known here; the others only while the queue can be reached.
      const isUp = queue.trouble() === undefined;
      const [queued, kept, skipped] = await Promise.all([
        isUp ? runs.list(0) : [],
        reports.list({ ...present({ job }), limit, idle }),
        isUp ? queue.slots.skipped(job, limit) : [],
      ]);
      const live = queued
        .filter((view) => job === undefined || view.job === job)
        .map((view) => withWindow(view, parts.jobs().get(view.job)))
        .sort((a, b) => (a.run < b.run ? 1 : -1));
      const unfinished = new Set(live.map(({ run }) => run));
      const ended = kept.filter(({ run }) => !unfinished.has(run)).map(viewOf);
      const since = kept.length < limit ? undefined : kept.at(-1)?.run;
      const hidden = idle ? 0 : await reports.idle(job, since);
      return { runs: [...live, ...ended].slice(0, limit), skipped, ...(hidden > 0 && { hidden }) };
    },

    async *permit(name, count, signal) {
      const permit = await takePermit(name, count, signal);
      try {
        yield '{"granted":true}';
        await aborted(signal);
      } finally {
        await permit.release();
      }
    },

    log: parts.log,

    async status() {
      const message = queue.trouble();
      const [live, group] =
        message === undefined
          ? await Promise.all([runs.list(0), groupOf(queue, parts.jobs().values())])
          : [[], {}];
      const jobs = [...parts.jobs().values()].map((job) => jobView(job, live, parts));
      return {
        ...parts.about(),
        queue: {
          kind: queue.store.kind,
          state: message === undefined ? 'up' : 'down',
          ...present({ message }),
        },
        jobs: await Promise.all(jobs),
        pauses: queue.pauses.holding().map(viewOfPause),
        ...group,
      };
    },
  };
}

/** The processes on the queue, and what is wrong with them. Errors: `network`. */
async function groupOf(
  queue: OpenQueue,
  jobs: Iterable<Job>,
): Promise<Pick<DaemonStatus, 'workers' | 'warnings'>> {
  const [workers, earlier] = await Promise.all([queue.knownWorkers(), queue.earlierProcesses()]);
  const warnings = warningsOfWorkers(workers, earlier, jobs);
  return { workers, ...(warnings.length > 0 && { warnings }) };
}

function isPaused(job: string, pause: Pause): FerryError {
  return new FerryError('refused', `job ${job} does not run: ${reasonOfPause(pause)}`, {
    hint: `\`ferryline resume ${argumentsOf(pause)}\` lets it run again`,
  });
}

/** When the closed window of a job opens, ISO 8601; undefined while it is open. */
function opensAt(job: Job): string | undefined {
  const now = Date.now();
  const edge = isOpen(job, now) ? undefined : nextEdge(job, now);
  return edge === undefined ? undefined : new Date(edge).toISOString();
}

/** Says of a run that waits whether it waits for its job's window. */
function withWindow(view: RunView, job: Job | undefined): RunView {
  const isWaiting = view.state === 'waiting' || view.state === 'delayed';
  const opens = job === undefined || !isWaiting ? undefined : opensAt(job);
  return opens === undefined ? view : { ...view, waitsFor: 'window', opensAt: opens };
}

function windowOf(job: Job): JobView['window'] {
  if (job.window === undefined) return undefined;
  const now = Date.now();
  const edge = nextEdge(job, now);
  const changesAt = edge === undefined ? undefined : new Date(edge).toISOString();
  return { hours: job.window.text, open: isOpen(job, now), ...present({ changesAt }) };
}

/** A job as `status` lists it; `live` are the runs in the queue. */
async function jobView(
  job: Job,
  live: readonly RunView[],
  { reports, nextSlot, watchState, pauseOf }: DaemonControlsParts,
): Promise<JobView> {
  const { name, description, operation } = job;
  const own = live.filter((view) => view.job === name);
  const active = own.filter(({ state }) => state === 'active');
  const [last] = await reports.list({ job: name, limit: 1 });
  const next = nextSlot(name);
  const pause = pauseOf(name);
  return {
    job: name,
    ...present({ description }),
    operation,
    paused: pause !== undefined,
    waiting: own.length - active.length,
    active: active.map(({ run }) => run),
    ...watchState(name),
    ...present({
      pause: pause && viewOfPause(pause),
      nextSlot: next === undefined ? undefined : new Date(next).toISOString(),
      window: windowOf(job),
      last: last && { run: last.run, outcome: last.outcome, endedAt: last.endedAt },
    }),
  };
}

/** A kept report as `runs` lists it. */
function viewOf(report: Report): RunView {
  const { run, job, trigger, slot, outcome } = report;
  return { run, job, trigger, ...present({ slot }), state: 'ended', outcome, report };
}
