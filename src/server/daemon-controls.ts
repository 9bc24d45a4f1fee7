/** What the daemon answers when it is asked: `Controls` over the queue, the reports kept and the jobs as they are now. */
import { FerryError } from '../core/errors.js';
import type { Report } from '../core/events.js';
import type { Job } from '../core/job.js';
import type { JobView, RunView } from '../core/request.js';
import type { OpenQueue } from '../queue/open.js';
import {
  type Controls,
  type DaemonStatus,
  type Enqueued,
  noSuchJob,
  noSuchRun,
} from './control/controls.js';

/** What of the daemon, and of rooms that this one doesn't know, the answers are made of. */
export interface AnswerParts {
  readonly queue: OpenQueue;
  readonly jobs: () => ReadonlyMap<string, Job>;
  /** The daemon's own lines of `status`. */
  readonly about: () => Omit<DaemonStatus, 'queue' | 'jobs'>;
  /** Ms since the epoch. */
  readonly nextSlot: (job: string) => number | undefined;
  readonly watchState: (job: string) => JobView['watch'];
  readonly newRunId: () => string;
  /** Stops a run that is in hand here; false when it isn't. */
  readonly cancelHere: (run: string) => boolean;
  /** A job was paused, or resumed. */
  readonly onPause: (job: string) => void;
  readonly reports: {
    list(options: { job?: string; limit: number }): Promise<readonly Report[]>;
    read(run: string): Promise<Report | undefined>;
    /** Records a run that was taken out before it began. */
    cancelled(view: RunView): Promise<Report>;
  };
  readonly log: (run: string, follow: boolean, signal: AbortSignal) => AsyncIterable<string>;
}

/** Milliseconds between looks at a run whose end nobody told. */
const lookEvery = 2000;

export interface Answers extends Controls {
  /** A run has ended, wherever. */
  ended(run: string): void;
}

export function createAnswers(parts: AnswerParts): Answers {
  const { queue, reports } = parts;
  const { runs, pauses } = queue;
  /** What waits for some run to end. */
  const waiting = new Set<(run: string) => void>();
  /** Requests that follow an active run: the run that was active then. */
  const behind = new Map<string, string>();

  const jobNamed = (name: string): Job => {
    const job = parts.jobs().get(name);
    if (job === undefined) throw noSuchJob(name, parts.jobs().keys());
    return job;
  };

  const enqueue = async (name: string): Promise<Enqueued> => {
    const job = jobNamed(name);
    if (pauses.isPaused(name))
      throw new FerryError('refused', `job ${name} is paused`, {
        hint: `\`ferryline resume ${name}\` lets it run again`,
      });
    const { worker, retry } = job.starts;
    const asked = { run: parts.newRunId(), job: name, trigger: 'manual' } as const;
    const { run, joined } = await runs.request(asked, { worker, attempts: retry.attempts });
    if (joined?.state === 'active') {
      behind.set(run, joined.run);
      if (behind.size > 1000) behind.delete(behind.keys().next().value as string);
    }
    return { run, joined: joined !== undefined };
  };

  /** Resolves when a run has ended, or after a while in any case. */
  const nextEnd = (run: string, signal: AbortSignal) =>
    new Promise<void>((resolve) => {
      const done = () => {
        clearTimeout(timer);
        waiting.delete(told);
        signal.removeEventListener('abort', done);
        resolve();
      };
      const told = (ended: string) => {
        if (ended === run) done();
      };
      const timer = setTimeout(done, lookEvery);
      signal.addEventListener('abort', done, { once: true });
      waiting.add(told);
    });

  const endOf = async (run: string, signal: AbortSignal): Promise<Report | 'unknown'> => {
    for (;;) {
      signal.throwIfAborted();
      const told = nextEnd(run, signal);
      const view = await runs.find(run);
      // A report may be of an attempt that others follow: the queue knows.
      if (view === undefined) return (await reports.read(run)) ?? 'unknown';
      if (view.state === 'ended') {
        const report = view.report ?? (await reports.read(run));
        if (report !== undefined) return report;
      }
      await told;
    }
  };

  return {
    ended(run) {
      for (const tell of [...waiting]) tell(run);
    },
    enqueue,

    async outcome(run, signal) {
      const first = behind.get(run);
      if (first !== undefined && (await runs.find(run)) === undefined) {
        // Kept behind an active run, it is in the queue once that one has ended.
        await endOf(first, signal);
      }
      return asReport(await endOf(run, signal), run);
    },

    async retry(run) {
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
        for (const tell of [...waiting]) tell(run);
        return { was: 'waiting' };
      }
      if (parts.cancelHere(run)) return { was: 'active' };
      // Its worker may be dead: the mark is for the one that takes the run over.
      await runs.markCancelled(run);
      await queue.signals.send('cancel', { run });
      return { was: 'active' };
    },

    async pause(name) {
      jobNamed(name);
      await pauses.set(name, true);
      parts.onPause(name);
      await queue.signals.send('pauses', { job: name });
    },

    async resume(name) {
      jobNamed(name);
      await pauses.set(name, false);
      parts.onPause(name);
      await queue.signals.send('pauses', { job: name });
    },

    async runs(job, limit) {
      if (job !== undefined) jobNamed(job);
      const wanted = (view: { readonly job: string }) => job === undefined || view.job === job;
      // What has ended is known here; what is to come, only where the queue can be asked.
      const isUp = queue.trouble() === undefined;
      const [going, kept, skipped] = await Promise.all([
        isUp ? runs.list(0) : [],
        reports.list({ ...(job === undefined ? {} : { job }), limit }),
        isUp ? queue.slots.skipped(job, limit) : [],
      ]);
      const live = going.filter(wanted).sort((a, b) => (a.run < b.run ? 1 : -1));
      const unfinished = new Set(live.map(({ run }) => run));
      const ended = kept.filter(({ run }) => !unfinished.has(run)).map(viewOf);
      return { runs: [...live, ...ended].slice(0, limit), skipped };
    },

    log: parts.log,

    async status() {
      const message = queue.trouble();
      const going = message === undefined ? await runs.list(0) : [];
      const jobs = await Promise.all(
        [...parts.jobs().values()].map(async (job): Promise<JobView> => {
          const own = going.filter((view) => view.job === job.name);
          const [last] = await reports.list({ job: job.name, limit: 1 });
          const next = parts.nextSlot(job.name);
          const watch = parts.watchState(job.name);
          return {
            job: job.name,
            operation: job.operation,
            paused: pauses.isPaused(job.name),
            ...(next === undefined ? {} : { nextSlot: new Date(next).toISOString() }),
            ...(watch === undefined ? {} : { watch }),
            waiting: own.filter(({ state }) => state !== 'active').length,
            active: own.filter(({ state }) => state === 'active').map(({ run }) => run),
            ...(last === undefined
              ? {}
              : { last: { run: last.run, outcome: last.outcome, endedAt: last.endedAt } }),
          };
        }),
      );
      return {
        ...parts.about(),
        queue: {
          kind: queue.store.kind,
          state: message === undefined ? 'up' : 'down',
          ...(message === undefined ? {} : { message }),
        },
        jobs,
      };
    },
  };
}

function viewOf(report: Report): RunView {
  const { run, job, trigger, slot, outcome } = report;
  const started = slot === undefined ? {} : { slot };
  return { run, job, trigger, ...started, state: 'ended', outcome, report };
}

function asReport(report: Report | 'unknown', run: string): Report {
  if (report !== 'unknown') return report;
  throw noSuchRun(run);
}
