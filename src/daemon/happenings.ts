/** What has happened that opens or ends incidents, as a daemon finds it: ended runs, jobs without a success, slow runs, and what is wrong with the daemons themselves. */
import { setImmediate } from 'node:timers/promises';
import type { Report } from '../core/events.js';
import type { Incident } from '../core/incident.js';
import type { Config, Job } from '../core/job.js';
import { partsOf } from '../core/job.js';
import type { KnownWorker } from '../core/known-worker.js';
import { present } from '../core/present.js';
import type { RunView, WatchView } from '../core/request.js';
import { count, formatDuration } from '../core/text.js';
import type { Progress } from '../notify/incident-store.js';
import type { Happening } from '../notify/judge.js';
import type { KnownMessage } from '../notify/messages.js';
import type { RunTable } from '../state/run-table.js';
import { slowLimit } from '../state/slow-limit.js';
import { staleAfter } from '../triggers/schedule/stale.js';

/** Jobs that are looked at before others get their turn. */
const jobsInTurn = 100;
/** Runs that ended so long before the newest one that was judged are looked at once more: clocks differ. */
const overlapMs = 600_000;
/** A worker that is gone for less is restarting. */
const workerGoneMs = 120_000;

/** The names of the remotes that a job uses. */
export function remotesOf(job: Job | undefined): string[] {
  const parts = job === undefined ? [] : partsOf(job);
  const names = parts.flatMap(({ from, to }) => [to.remote?.name, from.remote?.name]);
  return [...new Set(names.filter((name) => name !== undefined))];
}

/** The remote that a failed run is about: that of the first target that failed, or the job's. */
function remoteOf(report: Report, job: Job | undefined): string | undefined {
  const failed = report.targets?.find(({ outcome }) => outcome !== 'succeeded')?.target;
  const part = job && partsOf(job).find(({ target }) => target !== undefined && target === failed);
  return remotesOf(part ?? job)[0];
}

/** When a job last succeeded, ms since the epoch. */
function lastSuccessOf(table: RunTable, job: string): number | undefined {
  const found = table.last(job, 'succeeded');
  return found === undefined ? undefined : Date.parse(found.endedAt);
}

export function ofRun(report: Report, table: RunTable, job: Job | undefined): Happening {
  const lastSuccess = lastSuccessOf(table, report.job);
  return { what: 'run', report, remote: remoteOf(report, job), lastSuccess };
}

/** The runs that ended since runs were judged, the oldest end first. */
export function runsSince(table: RunTable, until: string, judged: ReadonlySet<string>) {
  const from = new Date(Date.parse(until) - overlapMs).toISOString();
  return table
    .all()
    .filter(({ run, endedAt }) => endedAt > from && !judged.has(run))
    .sort((one, other) => (one.endedAt < other.endedAt ? -1 : 1));
}

/** Jobs without a success for too long. `heldUntil`: until when a job was paused last. */
export async function staleJobs(
  {
    jobs,
    table,
    seen,
    heldUntil,
  }: {
    readonly jobs: Config['jobs'];
    readonly table: RunTable;
    readonly seen: Progress['seen'];
    readonly heldUntil: ReadonlyMap<string, number>;
  },
  now: number,
): Promise<Happening[]> {
  const found: Happening[] = [];
  let looked = 0;
  for (const job of jobs.values()) {
    if (++looked % jobsInTurn === 0) await setImmediate();
    const limit = staleLimit(job, now);
    if (limit === undefined) continue;
    const succeeded = lastSuccessOf(table, job.name);
    const since = succeeded ?? seen[job.name] ?? now;
    if (now - Math.max(since, heldUntil.get(job.name) ?? 0) <= limit) continue;
    const hasSucceeded = succeeded !== undefined;
    const message = hasSucceeded
      ? `no success for more than ${formatDuration(limit)}`
      : `it has not succeeded since it was seen first, more than ${formatDuration(limit)} ago`;
    found.push({ what: 'stale', job: job.name, since, hasSucceeded, message, at: now });
  }
  return found;
}

const limits = new WeakMap<Job, { readonly at: number; readonly limit: number | undefined }>();

/** The longest gap of a schedule changes with the seasons: it is found anew each day. */
function staleLimit(job: Job, now: number): number | undefined {
  const known = limits.get(job);
  if (known !== undefined && Math.abs(now - known.at) < 86_400_000) return known.limit;
  const limit = staleAfter(job, now);
  limits.set(job, { at: now, limit });
  return limit;
}

/** Runs that take too long. */
export function slowRuns(
  active: readonly RunView[],
  { jobs }: Config,
  table: RunTable,
  now: number,
): Happening[] {
  const found: Happening[] = [];
  for (const { run, job, beganAt } of active) {
    const took = beganAt === undefined ? 0 : now - Date.parse(beganAt);
    const limit = slowLimit(job, jobs.get(job)?.incidents.slow, table);
    if (limit === undefined || took < limit.ms) continue;
    const { median, of } = limit;
    const than =
      median === undefined
        ? ''
        : `, and the median of the last ${of} is ${formatDuration(median * 1000)}`;
    const message = `run ${run} has taken ${formatDuration(took)} so far${than}`;
    found.push({ what: 'slow', job, run, message, at: now });
  }
  return found;
}

/** What is wrong with the daemons, by subject. */
export interface Troubles {
  /** `worker`, `worker/NAME`, `config`, `watch/JOB`, `delivery/CHANNEL`. */
  readonly subject: string;
  readonly message: string;
  readonly hint?: string;
}

export function troublesOf({
  workers,
  config,
  configError,
  watchOf,
  messages,
}: {
  /** Undefined: not known. */
  readonly workers: readonly KnownWorker[] | undefined;
  readonly config: Config;
  readonly configError: string | undefined;
  readonly watchOf: (job: string) => WatchView;
  readonly messages: readonly KnownMessage[];
}): Troubles[] {
  const found: Troubles[] = [];
  if (workers !== undefined) found.push(...withoutWorker(workers, config));
  if (configError !== undefined)
    found.push({
      subject: 'config',
      message: `jobs.yml is invalid, the previous one stays in use: ${configError.split('\n')[0]}`,
      hint: '`ferryline validate` says what is wrong',
    });
  for (const job of config.jobs.keys()) {
    const { watch, whyDegraded } = watchOf(job);
    if (watch !== 'degraded') continue;
    found.push({ subject: `watch/${job}`, message: whyDegraded ?? 'its watch misses changes' });
  }
  for (const [channel, { end }] of newestEnds(messages))
    if (end?.result === 'dead')
      found.push({
        subject: `delivery/${channel}`,
        message: `messages to the channel ${channel} do not arrive: ${end.why ?? 'no reason known'}`,
        hint: `\`ferryline notify ${channel} --test\` tries it`,
      });
  return found;
}

function withoutWorker(workers: readonly KnownWorker[], { jobs }: Config): Troubles[] {
  const able = workers.filter(({ roles }) => roles.includes('worker'));
  if (able.length === 0 && jobs.size > 0)
    return [
      {
        subject: 'worker',
        message: 'no process carries out runs',
        hint: 'start one with the role worker',
      },
    ];
  const names = new Set(able.flatMap((worker) => worker.names));
  const missing = new Map<string, number>();
  for (const { starts } of jobs.values())
    if (starts.worker !== undefined && !names.has(starts.worker))
      missing.set(starts.worker, (missing.get(starts.worker) ?? 0) + 1);
  return [...missing].map(([name, many]) => ({
    subject: `worker/${name}`,
    message: `no process is worker ${name}: runs of ${count(many, 'job')} wait`,
    hint: `start one with --worker ${name}`,
  }));
}

function newestEnds(messages: readonly KnownMessage[]): Map<string, KnownMessage> {
  const newest = new Map<string, KnownMessage>();
  for (const one of messages) {
    const { channel } = one.message;
    const before = newest.get(channel)?.end?.at ?? 0;
    if (one.end !== undefined && one.end.at > before) newest.set(channel, one);
  }
  return newest;
}

/** Happenings from what is wrong now and which incidents are open. `since`: when each subject was first seen so; it is kept up to date. */
export function ofTroubles(
  troubles: readonly Troubles[],
  open: readonly Incident[],
  since: Map<string, number>,
  now: number,
): Happening[] {
  const wrong = new Set(troubles.map(({ subject }) => subject));
  for (const subject of [...since.keys()]) if (!wrong.has(subject)) since.delete(subject);
  const found: Happening[] = [];
  for (const { subject, message, hint } of troubles) {
    const first = since.get(subject) ?? now;
    since.set(subject, first);
    if (subject.startsWith('worker') && now - first < workerGoneMs) continue;
    found.push({ what: 'system', subject, message, at: first, ...present({ hint }) });
  }
  for (const { cause, key } of open) {
    const subject = key.slice('system.'.length);
    if (cause === 'system' && !wrong.has(subject)) found.push({ what: 'mended', subject, at: now });
  }
  return found;
}
