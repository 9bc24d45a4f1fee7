/**
 * What /metrics shows. Runs are counted from the start of the process on, wherever they were carried out;
 * what is known from earlier comes from the index of runs. The labels of a series are names of jobs.yml
 * and words of ours, never a run, a path or a message: at most 25 series are about one job.
 */
import { Histogram } from 'prom-client';
import type { Outcome, Report } from '../core/events.js';
import { type Job, partsOf } from '../core/job.js';
import type { RunTable } from '../state/run-table.js';
import { type MetricFamily, type MetricValue, metricsText } from './metric-text.js';
import { remotesReached } from './remotes-reached.js';

/** What the queue holds, and who works on it. */
export interface QueueFigures {
  readonly waiting: number;
  readonly delayed: number;
  readonly active: number;
  /** Processes that carry runs out. */
  readonly workers: number;
}

export interface MetricsParts {
  readonly version: string;
  readonly jobs: () => ReadonlyMap<string, Job>;
  readonly remotes: () => Iterable<string>;
  /** Errors: `io`. */
  readonly table: () => Promise<RunTable>;
  /** Ms since the epoch. */
  readonly nextSlot: (job: Job) => number | undefined;
  /** After which time without a success a job is stale, ms. */
  readonly staleAfter: (job: Job) => number | undefined;
  readonly isPaused: (job: string) => boolean;
  /** Undefined while the queue can't be reached. */
  readonly queue: () => Promise<QueueFigures | undefined>;
  /** The logins that this process has open, by remote. */
  readonly logins: () => ReadonlyMap<string, number>;
  /** How many incidents of each job are open; undefined while the queue can't be reached. */
  readonly openIncidents: () => Promise<ReadonlyMap<string, number> | undefined>;
  /** Streams that are open to those who watch. */
  readonly viewers: () => number;
  /** The channels of jobs.yml. */
  readonly channels: () => Iterable<string>;
  /** What this process has delivered of messages, by channel. */
  readonly delivered: ReadonlyMap<string, Readonly<Record<'sent' | 'dead', number>>>;
}

const outcomes = ['succeeded', 'incomplete', 'failed', 'refused', 'cancelled'] as const;
const operations = ['push', 'pull', 'mirror'] as const;
const fileActions = [
  ...['copied', 'attrs', 'renamed', 'deleted', 'unchanged', 'skipped', 'vanished', 'failed'],
] as readonly (keyof Report['files'])[];
/** Seconds. */
const durations = [1, 5, 15, 60, 300, 900, 1800, 3600, 7200, 14_400, 28_800, 86_400];

/** What was counted of one job. */
class Counted {
  readonly runs: Record<Outcome, number> = {
    ...{ succeeded: 0, incomplete: 0, failed: 0, refused: 0, cancelled: 0 },
  };
  readonly files = new Map(fileActions.map((action) => [action, 0]));
  bytes = 0;
  missed = 0;
  /** Ms since the epoch. */
  lastSuccess = 0;
}

/** Ended runs that are remembered, so that none counts twice. */
const mostRemembered = 20_000;

type Values = Iterable<MetricValue>;

export class Metrics {
  readonly #parts: MetricsParts;
  readonly #counted = new Map<string, Counted>();
  readonly #remotes = new Map<string, boolean>();
  readonly #ended = new Set<string>();
  readonly #durations: Histogram<'operation' | 'outcome'>;
  readonly #startedAt = Date.now();

  constructor(parts: MetricsParts) {
    this.#parts = parts;
    this.#durations = new Histogram({
      name: 'ferryline_run_duration_seconds',
      help: 'How long runs took, by operation and outcome.',
      labelNames: ['operation', 'outcome'],
      buckets: durations,
      registers: [],
    });
    for (const operation of operations)
      for (const outcome of outcomes) this.#durations.zero({ operation, outcome });
  }

  /** A run has ended, wherever it was carried out. One that is reported again, that ended before this process began, or that only planned, does not count. */
  ended(report: Report): void {
    const { run, job, operation, outcome, seconds, endedAt } = report;
    if (this.has(run) || report.dryRun === true || Date.parse(endedAt) < this.#startedAt) return;
    this.#ended.add(run);
    const [oldest] = this.#ended;
    if (this.#ended.size > mostRemembered && oldest !== undefined) this.#ended.delete(oldest);
    const counted = this.#of(job);
    counted.runs[outcome]++;
    counted.bytes += report.bytes;
    for (const [action, before] of counted.files)
      counted.files.set(action, before + (report.files[action] ?? 0));
    if (outcome === 'succeeded') counted.lastSuccess = Date.parse(endedAt);
    this.#durations.observe({ operation, outcome }, seconds);
    const definition = this.#parts.jobs().get(job);
    if (definition === undefined) return;
    for (const [remote, isUp] of remotesReached(definition, report))
      this.#remotes.set(remote, isUp);
  }

  /** Whether a run's end was reported. */
  has(run: string): boolean {
    return this.#ended.has(run);
  }

  /** Slots of a job have passed without the run they were for. */
  slotsMissed(job: string, count: number): void {
    this.#of(job).missed += count;
  }

  /** The text of all metrics, in pieces; `isOpen`: as OpenMetrics. Errors: `io`. */
  async *text(isOpen: boolean): AsyncGenerator<string> {
    const [table, queue, incidents, durations] = await Promise.all([
      this.#parts.table(),
      this.#parts.queue(),
      this.#parts.openIncidents(),
      this.#durations.get(),
    ]);
    const values = durations.values as readonly MetricValue[];
    const { name, help } = durations as unknown as { name: string; help: string };
    const families = [
      ...this.#counters(),
      { name, help, type: 'histogram' as const, values: () => values },
      ...this.#gaugesOfJobs(table, incidents),
      ...this.#gauges(queue),
    ];
    yield* metricsText(families, isOpen);
  }

  #of(job: string): Counted {
    const known = this.#counted.get(job) ?? new Counted();
    this.#counted.set(job, known);
    return known;
  }

  *#counters(): Generator<MetricFamily> {
    const counter = (name: string, help: string, of: (counted: Counted, job: Job) => Values) =>
      this.#ofJobs('counter', name, help, (job) => {
        return of(this.#counted.get(job.name) ?? none, job);
      });
    yield counter('ferryline_runs_total', 'Ended runs, by outcome.', ({ runs }) =>
      outcomes.map((outcome) => ({ value: runs[outcome], labels: { outcome } })),
    );
    yield counter(
      'ferryline_transferred_bytes_total',
      'Bytes of the files copied: uploaded to a remote, downloaded from one.',
      ({ bytes }, job) =>
        directionsOf(job).map((direction) => ({ value: bytes, labels: { direction } })),
    );
    yield counter(
      'ferryline_files_total',
      'Files, by what ended runs did with them.',
      function* ({ files }) {
        for (const [action, value] of files) yield { value, labels: { action } };
      },
    );
    yield counter(
      'ferryline_slots_missed_total',
      'Slots that passed without the run they were for.',
      ({ missed }) => [{ value: missed, labels: {} }],
    );
  }

  *#gaugesOfJobs(
    table: RunTable,
    incidents: ReadonlyMap<string, number> | undefined,
  ): Generator<MetricFamily> {
    const { nextSlot, staleAfter, isPaused } = this.#parts;
    const gauge = (name: string, help: string, of: (job: Job) => number | undefined) =>
      this.#ofJobs('gauge', `ferryline_${name}`, help, (job) => {
        const value = of(job);
        return value === undefined ? [] : [{ value, labels: {} }];
      });
    yield gauge(
      'last_success_timestamp_seconds',
      'When the latest run that succeeded has ended; absent: none is known.',
      ({ name }) => {
        const ended = table.last(name, 'succeeded')?.endedAt;
        const counted = this.#counted.get(name)?.lastSuccess ?? 0;
        const latest = Math.max(counted, ended === undefined ? 0 : Date.parse(ended));
        return latest === 0 ? undefined : latest / 1000;
      },
    );
    yield gauge(
      'next_slot_timestamp_seconds',
      'When the schedule starts the job next; absent: it has none.',
      (job) => inSeconds(nextSlot(job)),
    );
    yield gauge(
      'last_run_seconds',
      'How long the latest ended run took.',
      ({ name }) => table.last(name)?.seconds,
    );
    yield gauge(
      'stale_after_seconds',
      'After which time without a success the job is stale; absent: never.',
      (job) => inSeconds(staleAfter(job)),
    );
    yield gauge('paused', 'Whether a pause keeps runs of the job from starting.', ({ name }) =>
      Number(isPaused(name)),
    );
    yield gauge(
      'incidents_open',
      'Open incidents of the job; absent while the queue does not answer.',
      ({ name }) => incidents && (incidents.get(name) ?? 0),
    );
  }

  *#gauges(queue: QueueFigures | undefined): Generator<MetricFamily> {
    const { version, remotes, logins } = this.#parts;
    const one = (name: string, help: string, values: () => Values): MetricFamily => {
      return { name: `ferryline_${name}`, help, type: 'gauge', values };
    };
    yield one('queue_up', 'Whether the queue answers.', () => bare(Number(queue !== undefined)));
    yield one('queue_runs', 'Runs in the queue; absent while it does not answer.', () =>
      (['waiting', 'delayed', 'active'] as const).flatMap((state) =>
        queue === undefined ? [] : [{ value: queue[state], labels: { state } }],
      ),
    );
    yield one(
      'workers',
      'Processes that carry runs out; absent while the queue does not answer.',
      () => (queue === undefined ? [] : bare(queue.workers)),
    );
    const known = [...remotes()];
    yield one('remote_up', 'Whether the remote let the latest run in that showed it.', () =>
      known.flatMap((remote) => {
        const isUp = this.#remotes.get(remote);
        return isUp === undefined ? [] : [{ value: Number(isUp), labels: { remote } }];
      }),
    );
    const open = logins();
    yield one('logins', 'SSH logins that this process has open.', () =>
      known.map((remote) => ({ value: open.get(remote) ?? 0, labels: { remote } })),
    );
    yield one('viewers', 'Streams that are open to those who watch.', () =>
      bare(this.#parts.viewers()),
    );
    yield {
      ...{ name: 'ferryline_messages_total', type: 'counter' },
      help: 'Messages that this process has delivered, or given up.',
      values: () => this.#messages(),
    };
    yield one('build_info', 'The version of ferryline and of Node.js; always 1.', () => [
      { value: 1, labels: { version, node: process.versions.node } },
    ]);
  }

  *#messages(): Generator<MetricValue> {
    const { channels, delivered } = this.#parts;
    for (const channel of channels())
      for (const result of ['sent', 'dead'] as const)
        yield { value: delivered.get(channel)?.[result] ?? 0, labels: { channel, result } };
  }

  /** A metric with values of each job of jobs.yml. */
  #ofJobs(
    type: MetricFamily['type'],
    name: string,
    help: string,
    of: (job: Job) => Values,
  ): MetricFamily {
    const { jobs } = this.#parts;
    return {
      ...{ name, help, type },
      *values() {
        for (const job of jobs().values())
          for (const { value, labels } of of(job))
            yield { value, labels: { job: job.name, ...labels } };
      },
    };
  }
}

const none = new Counted();

/** Which ways a job's files go, seen from this machine. */
function directionsOf(job: Job): ('upload' | 'download')[] {
  const parts = partsOf(job);
  return [
    ...(parts.some(({ to }) => to.remote !== undefined) ? (['upload'] as const) : []),
    ...(parts.some(({ from }) => from.remote !== undefined) ? (['download'] as const) : []),
  ];
}

function bare(value: number): MetricValue[] {
  return [{ value, labels: {} }];
}

function inSeconds(ms: number | undefined): number | undefined {
  return ms === undefined ? undefined : ms / 1000;
}
