/** What a daemon answers to requests: `Controls` over the queue, the reports that are kept, and the jobs in use. */
import { setImmediate } from 'node:timers/promises';
import { aborted } from '../core/abort.js';
import { FerryError } from '../core/errors.js';
import type { Report } from '../core/events.js';
import type { IncidentView } from '../core/incident-view.js';
import type { Job } from '../core/job.js';
import { warningsOfWorkers } from '../core/known-worker.js';
import { argumentsOf, type Pause, reasonOfPause, viewOfPause } from '../core/pause.js';
import type { Permit } from '../core/permit.js';
import { present } from '../core/present.js';
import type { JobSlots, JobView, RunRequest, RunView, WatchView } from '../core/request.js';
import { type KnownRun, runsMeant } from '../core/run-id.js';
import type { RunProgress } from '../core/run-progress.js';
import { isOpen, nextEdge } from '../core/window.js';
import { takeJobPermit } from '../queue/job-permit.js';
import type { OpenQueue } from '../queue/open.js';
import type { IndexedReports } from '../state/indexed-reports.js';
import type { IndexedRun } from '../state/run-line.js';
import type { RunTable } from '../state/run-table.js';
import {
  type Asked,
  type Controls,
  type DaemonStatus,
  type Enqueued,
  noSuchJob,
  noSuchRun,
  type ServedControls,
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
  readonly about: () => Omit<
    DaemonStatus,
    'queue' | 'jobs' | 'pauses' | 'workers' | 'incidents' | 'warnings'
  >;
  /** The incidents that are open, the newest first. Errors: `network`. */
  readonly openIncidents: () => Promise<readonly IncidentView[]>;
  /** What the files of jobs.yml looked like when they were read. */
  readonly filesSeen: () => string;
  /** Finds the next slots of jobs, as of the moment of the call. */
  readonly slotsFromNow: () => (job: Job) => JobSlots;
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
  readonly reports: IndexedReports & {
    /** The runs of which a log is kept; their jobs are not known. */
    namesOfLogs(): Promise<readonly KnownRun[]>;
    /** Records a run that was cancelled before it began; resolves to its report. */
    cancelled(view: RunView): Promise<Report>;
  };
  /** How far a run is that is being carried out. */
  readonly progressOf: (run: string) => RunProgress | undefined;
  readonly log: Controls['log'];
  /** What is wrong with this process's own machine, for `status`. */
  readonly ownWarnings: () => Promise<readonly string[]>;
}

export interface DaemonControls extends ServedControls {
  /** The runs that have not ended. Errors: `network`. */
  unfinished(): Promise<readonly RunView[]>;
  /** A run has ended, wherever it was carried out; `report`: its whole report, where it is at hand. */
  ended(run: string, report?: Report): void;
}

/** Jobs of a status that are looked at before others get their turn: some 2 ms. */
const jobsInTurn = 100;

export function createDaemonControls(parts: DaemonControlsParts): DaemonControls {
  const { queue, reports } = parts;
  const { runs, signals } = queue;
  const ends = new RunEnds({
    isUnfinished: (run) => runs.isUnfinished(run),
    find: (run) => runs.find(run),
    report: (run) => reports.read(run),
  });

  const jobNamed = (name: string): Job => {
    const job = parts.jobs().get(name);
    if (job === undefined) throw noSuchJob(name, parts.jobs().keys());
    return job;
  };

  const enqueue = async (name: string, asked: Asked): Promise<Enqueued> => {
    const { by, run, dryRun, approves } = asked;
    const job = jobNamed(name);
    const { starts } = job;
    const pause = parts.pauseOf(name);
    if (pause !== undefined) throw isPaused(name, pause);
    const own = run ?? parts.newRunId();
    const planned = present({ dryRun, approves });
    const request: RunRequest = { run: own, job: name, trigger: 'manual', by, ...planned };
    const isPlanned = dryRun === true || approves !== undefined;
    const rules = { worker: starts.worker, attempts: isPlanned ? 1 : starts.retry.attempts };
    const opens = dryRun === true ? {} : present({ opensAt: opensAt(job) });
    if (run === undefined && !isPlanned)
      return { ...(await runs.request(request, rules)), ...opens };
    await runs.requestUnless(request, rules, () => undefined);
    return { run: own, joined: false, ...opens };
  };

  /** For a run by hand: a login's permit is waited for, a job's is free or not. */
  const takePermit = async (name: string, count: number, signal: AbortSignal): Promise<Permit> => {
    const job = name.startsWith('job-') ? name.slice('job-'.length) : undefined;
    if (job === undefined) return queue.permits.take(name, count, signal);
    const active = (await runs.list(0)).find((view) => view.job === job && view.state === 'active');
    return takeJobPermit(queue.permits, job, active?.run, signal);
  };

  const queueState = (): DaemonStatus['queue'] => {
    const message = queue.trouble();
    const state = message === undefined ? 'up' : 'down';
    return { kind: queue.store.kind, state, ...present({ message }) };
  };

  const jobToRerun = async (run: string): Promise<string> => {
    const view = await runs.find(run);
    const report = view?.report ?? (await reports.read(run));
    const job = view?.job ?? report?.job;
    if (job === undefined) throw noSuchRun(run);
    if (report?.dryRun === true)
      throw new FerryError('refused', `run ${run} was a dry run, which is not carried out again`, {
        hint: `\`ferryline enqueue ${job}\` runs the job`,
      });
    if (view !== undefined && view.state !== 'ended')
      throw new FerryError('busy', `run ${run} has not ended`, {
        hint: `\`ferryline logs -f ${run}\` shows what it does`,
      });
    return job;
  };

  const asItIs = (view: RunView): RunView =>
    view.state === 'active'
      ? { ...view, ...present({ progress: parts.progressOf(view.run) }) }
      : withWindow(view, parts.jobs().get(view.job));

  const unfinished = async () => (await runs.list(0)).map(asItIs);

  return {
    ended: (run, report) => ends.ended(run, report),
    unfinished,
    enqueue: (name) => enqueue(name, { by: 'cli' }),
    request: enqueue,
    jobToRerun,

    async outcome(run, signal) {
      const report = await ends.endOf(run, signal);
      if (report === undefined) throw noSuchRun(run);
      return report;
    },

    async next(names, signal) {
      const { filesSeen, jobs } = { filesSeen: parts.filesSeen(), jobs: parts.jobs() };
      const meant =
        names.length > 0
          ? names.flatMap((name) => jobs.get(name) ?? [])
          : [...jobs.values()].filter(({ starts }) => starts.schedule.length > 0);
      const slotsOf = parts.slotsFromNow();
      const found: JobSlots[] = [];
      for (const job of meant) {
        found.push(slotsOf(job));
        if (found.length % jobsInTurn === 0) await setImmediate(undefined, { signal });
      }
      return { filesSeen, jobs: found };
    },

    async find(name) {
      const queued = queue.trouble() === undefined ? await runs.list(0) : [];
      const known: KnownRun[] = [...queued, ...(await reports.table()).all()];
      // Of a run with a log alone the job is not known.
      const logs = known.some(({ job }) => job === name) ? [] : await reports.namesOfLogs();
      const [run, ...more] = runsMeant(name, [...known, ...logs]);
      if (run === undefined) throw noSuchRun(name);
      if (more.length > 0) throw severalRuns(name, [run, ...more]);
      return run;
    },

    async view(run) {
      const view = queue.trouble() === undefined ? await runs.find(run) : undefined;
      if (view !== undefined && view.state !== 'ended') return asItIs(view);
      const report = await reports.read(run);
      if (report !== undefined) return viewOf(report);
      if (view === undefined) throw noSuchRun(run);
      return view;
    },

    rerun: async (run) => enqueue(await jobToRerun(run), { by: 'cli' }),

    async cancel(run) {
      const view = await runs.find(run);
      if (view === undefined || view.state === 'ended') {
        if (view === undefined && (await reports.read(run)) === undefined) throw noSuchRun(run);
        return { was: 'ended' };
      }
      // what was begun is ended by a worker, where commands follow it
      const begunToo = parts.jobs().get(view.job)?.hooks === undefined;
      if (view.state !== 'active' && (await runs.remove(run, begunToo))) {
        const report = await reports.cancelled(view);
        await signals.send('cancelled', { report: JSON.stringify(report) });
        await signals.send('ended', { run });
        return { was: 'waiting' };
      }
      if (parts.cancelHere(run)) return { was: 'active' };
      // Its worker may be dead: the mark is for the one that takes the run over.
      await runs.markCancelled(run);
      if (view.state !== 'active') await runs.wake(new Set([view.job]));
      await signals.send('cancel', { run });
      return { was: 'active' };
    },

    ...pauseControls(parts),

    async runs(job, limit, idle) {
      // Ended runs are known here; the others only while the queue can be reached.
      const isUp = queue.trouble() === undefined;
      const [queued, kept, skipped, table] = await Promise.all([
        isUp ? unfinished() : [],
        reports.list({ ...present({ job }), limit, idle }),
        isUp ? queue.slots.skipped(job, limit) : [],
        reports.table(),
      ]);
      const live = queued
        .filter((view) => job === undefined || view.job === job)
        .sort((a, b) => (a.run < b.run ? 1 : -1));
      // The runs of a job that was renamed or removed are still there.
      if (job !== undefined && live.length === 0 && !table.hasJob(job)) jobNamed(job);
      const isLive = new Set(live.map(({ run }) => run));
      const ended = kept.filter(({ run }) => !isLive.has(run)).map(viewOf);
      const since = kept.length < limit ? undefined : kept.at(-1)?.run;
      const hidden = idle ? 0 : table.countIdle(job, since);
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

    queue: queueState,

    async status() {
      const state = queueState();
      const [queued, group] =
        state.state === 'up'
          ? await Promise.all([runs.list(0), groupOf(queue, parts.jobs().values())])
          : [[], {}];
      const jobs = await jobViews(queued, await reports.table(), parts);
      const incidents = state.state === 'up' ? await parts.openIncidents() : [];
      const warnings = [...(await parts.ownWarnings()), ...(group.warnings ?? [])];
      return {
        ...parts.about(),
        queue: state,
        jobs,
        pauses: queue.pauses.holding().map(viewOfPause),
        ...group,
        ...(incidents.length > 0 && { incidents }),
        ...(warnings.length > 0 && { warnings }),
      };
    },
  };
}

/** The processes on the queue, and what is wrong with them. Errors: `network`. */
async function groupOf(
  queue: OpenQueue,
  jobs: Iterable<Job>,
): Promise<Pick<DaemonStatus, 'workers' | 'warnings'>> {
  const [known, earlier, paused] = await Promise.all([
    queue.knownWorkers(),
    queue.earlierProcesses(),
    queue.runs.pausedQueues(),
  ]);
  const warnings = [
    ...warningsOfWorkers(known, earlier, jobs),
    ...paused.map(
      (name) =>
        `the queue ${name} is paused in the store itself, as a dashboard does it: none of its runs begins until it is resumed there`,
    ),
  ];
  const workers = known.map(({ jobs: _, ...worker }) => worker);
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

/** The jobs as `status` lists them. One of thousands of jobs must not keep other requests waiting. */
async function jobViews(
  queued: readonly RunView[],
  table: RunTable,
  parts: DaemonControlsParts,
): Promise<JobView[]> {
  const live = new Map<string, RunView[]>();
  for (const view of queued) {
    const own = live.get(view.job);
    if (own === undefined) live.set(view.job, [view]);
    else own.push(view);
  }
  const jobs: JobView[] = [];
  for (const job of parts.jobs().values()) {
    const last = table.last(job.name);
    jobs.push(jobView(job, live.get(job.name) ?? [], last, parts));
    if (jobs.length % jobsInTurn === 0) await setImmediate();
  }
  return jobs;
}

/** A job as `status` lists it; `own` are its runs in the queue, `last` the one that ended last. */
function jobView(
  job: Job,
  own: readonly RunView[],
  last: IndexedRun | undefined,
  { nextSlot, watchState, pauseOf }: DaemonControlsParts,
): JobView {
  const { name, description, operation } = job;
  const active = own.filter(({ state }) => state === 'active');
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
