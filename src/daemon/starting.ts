/** The part of the daemon that starts runs: the watches of local folders, the schedule, and what becomes of its slots. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Config } from '../core/job.js';
import type { RunRequest, WatchView } from '../core/request.js';
import { count } from '../core/text.js';
import { Scope } from '../jobs/plan/filter.js';
import type { RootLog } from '../observe/log.js';
import type { OpenQueue } from '../queue/open.js';
import type { IndexedReports } from '../state/indexed-reports.js';
import { slotDecider } from '../triggers/schedule/decide-slot.js';
import { openHandledSlots } from '../triggers/schedule/handled-slots.js';
import { createOutlived } from '../triggers/schedule/outlived.js';
import { Scheduler } from '../triggers/schedule/schedule.js';
import { lastOpenSlot } from '../triggers/schedule/slots.js';
import { createWatches } from '../triggers/watch/watches.js';
import { attemptsOf } from '../workers/worker.js';
import type { JobPauses } from './job-pauses.js';
import type { JobsInUse } from './jobs-in-use.js';
import { leftToNewer } from './left-to-newer.js';
import type { Role } from './roles.js';

export interface StartingParts {
  readonly state: string;
  /** `scheduler` schedules jobs and decides slots, `watcher` watches folders. */
  readonly roles: readonly Role[];
  /** Names under which this process works: it watches the folders of jobs that ask for one of them. */
  readonly names: readonly string[];
  readonly queue: OpenQueue;
  readonly inUse: JobsInUse;
  readonly jobPauses: JobPauses;
  readonly reports: IndexedReports;
  readonly newRunId: () => string;
  /** Slots made no run, and nothing else does their work. Errors: `network`; then the slot is decided again. */
  readonly onMissed: (job: string, slot: number, count: number, why: string) => Promise<void>;
  readonly log: RootLog;
}

export interface Starting {
  /** Watches and schedules the jobs of a configuration from now on. Rejects while the queue is out of reach. */
  use(config: Config): Promise<void>;
  /** Decides what becomes of slots, from now on. */
  begin(): void;
  /** The next slot of a job, ms since the epoch. */
  nextSlot(job: string): number | undefined;
  /** The latest slot of a job after a moment (both ms since the epoch) that has passed, in its window. */
  latestSlot(job: string, after: number): number | undefined;
  watchState(job: string): WatchView;
  /** A run has ended, wherever it was carried out. */
  ended(run: string): void;
  /** Looks at every watched folder as a whole: events may have been missed. */
  rescan(): void;
  /** A job may run again: its watch looks for what changed while it was paused. */
  resumed(job: string): void;
  close(): Promise<void>;
}

/** Resolves once it is known which slots were handled before. Errors: the system's for a state folder that can't be read. */
export async function openStarting(parts: StartingParts): Promise<Starting> {
  const { state, roles, names, queue, inUse, jobPauses, reports, newRunId, log } = parts;
  const { runs, slots, signals } = queue;
  const handledSlots = await openHandledSlots(state, (error) => log.warn(error.message));

  const watches = createWatches({
    request(job, folders) {
      const run = newRunId();
      const request: RunRequest =
        folders === undefined
          ? { run, job: job.name, trigger: 'rescan' }
          : { run, job: job.name, trigger: 'watch', folders };
      const rules = { worker: job.starts.worker, attempts: attemptsOf(request, job) };
      return runs.request(request, rules);
    },
    async endOf(run) {
      const view = await runs.find(run);
      if (view !== undefined && view.state !== 'ended') return undefined;
      return view?.report ?? (await reports.read(run)) ?? 'lost';
    },
    wanted(job) {
      const scope = Scope.of(job.scope, Date.now(), []);
      return (path, isFolder) => !scope.excludes(path, isFolder);
    },
    isPaused: (job) => jobPauses.of(job) !== undefined,
    isQueueAway: () => queue.trouble() !== undefined,
    onNote: (job, level, message) => log[level](`${job}: ${message}`),
  });

  const closing = new AbortController();
  /** Resolves once a slot has made no run, or its run has ended. */
  const ended = async (job: string, slot: number) => {
    for (let pauseMs = 50; ; pauseMs = Math.min(2 * pauseMs, 2000)) {
      const end = await slots.end(job, slot);
      if (end === 'lost' || end?.end === 'skipped') return;
      const view = end && (await runs.find(end.run));
      if (end !== undefined && (view === undefined || view.state === 'ended')) return;
      await sleep(pauseMs, undefined, { signal: closing.signal, ref: false });
    }
  };
  const clock = () => queue.store.clock();
  const scheduler = new Scheduler({
    now: clock,
    async onSlot(job, slot, how) {
      await slots.add({ job, slot, how });
      const all = inUse.jobNamed(job)?.starts.catchUp.slots === 'all';
      // Each that is made up for makes a run of its own, in order: they must not come together.
      if (how === 'catch-up' && all) await ended(job, slot);
    },
    async onGap(job, { from, to, count, missed, why }) {
      const several = count > 1 && { from, count };
      await slots.add({ job, slot: to, how: 'catch-up', skip: why, missed, ...several });
    },
    onHandled: (job, until) => handledSlots.mark(job, until),
    async onAhead(jobs, now) {
      const newest = await slots.forgetAfter(now);
      log.warn(aheadOfClock(jobs, now));
      return newest;
    },
    onError(job, error) {
      // an outage is reported once, by the queue; the slots that it held back are offered again
      if (closing.signal.aborted || queue.trouble() !== undefined) return;
      log.warn(`${job}: a scheduled slot could not be queued yet: ${(error as Error).message}`);
    },
  });

  return {
    async use({ jobs }) {
      const watched = [...jobs.values()].filter(
        ({ starts: { watch, worker } }) =>
          watch !== undefined && (worker === undefined || names.includes(worker)),
      );
      watches.set(roles.includes('watcher') ? watched : []);
      if (roles.includes('scheduler'))
        scheduler.set(await handledSlots.scheduledJobs(jobs, slots, clock()));
    },
    begin() {
      if (!roles.includes('scheduler')) return;
      const { jobNamed } = inUse;
      const hasReport = async (run: string) => (await reports.read(run)) !== undefined;
      const decide = slotDecider({
        runs,
        jobNamed,
        pauseOf: jobPauses.of,
        hasReport,
        emptiedAt: () => queue.mark.emptiedAt(),
      });
      const outlived = createOutlived();
      const left = leftToNewer(log);
      slots.decide({
        async decide(request) {
          const end = await decide(request);
          const { job, slot } = request;
          const missed = (end.end === 'skipped' && end.missed) || 0;
          if (end.end === 'skipped' && missed > 0) await parts.onMissed(job, slot, missed, end.why);
          if (missed > 0) void signals.send('missed', { job, count: `${missed}` }).catch(() => {});
          return end;
        },
        left: ({ job, slot }) => left(job, `slot ${new Date(slot).toISOString()}`),
        outlived({ job, slot }) {
          const starts = jobNamed(job)?.starts;
          return starts && outlived(job, starts, slot);
        },
      });
    },
    nextSlot: (job) => scheduler.next(job),
    latestSlot(name, after) {
      const job = inUse.jobNamed(name);
      if (job === undefined || job.starts.schedule.length === 0) return undefined;
      return lastOpenSlot({ ...job.starts, window: job.window }, after, Date.now());
    },
    watchState: (job) => watches.state(job),
    ended: (run) => watches.ended(run),
    rescan: () => watches.rescan(),
    resumed: (job) => watches.resumed(job),
    async close() {
      closing.abort();
      scheduler.stop();
      await watches.close();
    },
  };
}

function aheadOfClock(jobs: ReadonlyMap<string, number>, now: number): string {
  const [[name, until] = ['', 0], ...others] = jobs;
  const more = others.length === 0 ? '' : ` and ${count(others.length, 'other job')}`;
  const time = (ms: number) => new Date(ms).toISOString().replace(/\.\d+/, '');
  return `${name}${more}: slots were handled up to ${time(until)}, and the clock is at ${time(now)}: it was ahead, or it was set back; the schedule goes by the clock`;
}
