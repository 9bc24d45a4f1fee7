/** The metrics of a daemon: what they are made of. */
import type { Report } from '../core/events.js';
import { metricsType } from '../observe/metric-text.js';
import { Metrics, type QueueFigures } from '../observe/metrics.js';
import type { OpenQueue } from '../queue/open.js';
import type { MetricsReader } from '../server/api/metrics-route.js';
import type { IndexedReports } from '../state/indexed-reports.js';
import { nextOpenSlot } from '../triggers/schedule/slots.js';
import { staleAfter } from '../triggers/schedule/stale.js';
import type { Incidents } from './incidents.js';
import type { JobPauses } from './job-pauses.js';
import type { JobsInUse } from './jobs-in-use.js';
import type { Starting } from './starting.js';

export interface MeasuringParts {
  readonly version: string;
  readonly queue: OpenQueue;
  readonly inUse: JobsInUse;
  readonly jobPauses: JobPauses;
  readonly reports: IndexedReports;
  readonly starting: Pick<Starting, 'nextSlot'>;
  /** The logins that this process has open, by remote. */
  readonly openLogins: () => ReadonlyMap<string, number>;
  readonly incidents: Pick<Incidents, 'store' | 'delivered'>;
  /** Streams that are open here. */
  readonly viewers: () => number;
}

export interface DaemonMetrics extends MetricsReader {
  /** A run has ended, wherever it was carried out. */
  ended(report: Report): void;
  /** A run has ended in this process, which may have its report. */
  endedHere(run: string, report: Report | undefined): void;
}

export function openMetrics(parts: MeasuringParts): DaemonMetrics {
  const { version, queue, inUse, jobPauses, reports, starting, openLogins, incidents } = parts;
  /** By what a schedule is: thousands of jobs have some hundred of them. */
  let stale = new Map<string, number | undefined>();
  let staleOf = inUse.config;
  const metrics = new Metrics({
    version,
    jobs: () => inUse.config.jobs,
    remotes: () => inUse.config.remotes.keys(),
    table: () => reports.table(),
    nextSlot({ name, starts, window }) {
      if (starts.schedule.length === 0) return undefined;
      // A process without the role `scheduler` has no schedule that runs.
      return starting.nextSlot(name) ?? nextOpenSlot({ ...starts, window }, queue.store.clock());
    },
    staleAfter(job) {
      const { incidents, starts, window } = job;
      if (staleOf !== inUse.config) stale = new Map();
      staleOf = inUse.config;
      const { schedule, timezone } = starts;
      const key = JSON.stringify([incidents.stale, schedule, timezone, window?.text]);
      if (!stale.has(key)) stale.set(key, staleAfter(job, queue.store.clock()));
      return stale.get(key);
    },
    isPaused: (job) => jobPauses.of(job) !== undefined,
    queue: () => figuresOf(queue),
    logins: openLogins,
    openIncidents: () => openIncidents(parts),
    viewers: parts.viewers,
    channels: () => inUse.config.notify.keys(),
    delivered: incidents.delivered,
  });
  queue.signals.on('missed', ({ job, count }) => metrics.slotsMissed(job, Number(count)));
  const ended = (report: Report | undefined) => {
    if (report !== undefined) metrics.ended(report);
  };
  return {
    type: metricsType,
    text: (isOpen) => metrics.text(isOpen),
    ended,
    endedHere(run, report) {
      // Of a run that was given up, this process says only that it has ended.
      if (report !== undefined || metrics.has(run)) ended(report);
      else void reports.read(run).then(ended, () => {});
    },
  };
}

/** How many incidents of each job are open; undefined while the queue can't be reached. */
async function openIncidents({
  queue,
  incidents,
}: MeasuringParts): Promise<Map<string, number> | undefined> {
  if (queue.trouble() !== undefined) return undefined;
  const counts = new Map<string, number>();
  try {
    for (const { job, closedAt } of (await incidents.store.load()).incidents)
      if (job !== undefined && closedAt === undefined) counts.set(job, (counts.get(job) ?? 0) + 1);
    return counts;
  } catch {
    return undefined;
  }
}

async function figuresOf(queue: OpenQueue): Promise<QueueFigures | undefined> {
  if (queue.trouble() !== undefined) return undefined;
  try {
    const [views, processes] = await Promise.all([queue.runs.list(0), queue.knownWorkers()]);
    const countOf = (state: string) => views.filter((view) => view.state === state).length;
    return {
      waiting: countOf('waiting'),
      delayed: countOf('delayed'),
      active: countOf('active'),
      workers: processes.filter(({ roles }) => roles.includes('worker')).length,
    };
  } catch {
    return undefined;
  }
}
