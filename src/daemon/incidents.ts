/** The part of the daemon that keeps incidents, of all processes on a store one at a time, and delivers messages about them. */
import type { Report } from '../core/events.js';
import type { Permit } from '../core/permit.js';
import type { WatchView } from '../core/request.js';
import { Delivery } from '../notify/deliver.js';
import { IncidentStore, type Progress } from '../notify/incident-store.js';
import type { Happening } from '../notify/judge.js';
import { Keeper } from '../notify/keeper.js';
import { Messages } from '../notify/messages.js';
import type { RootLog } from '../observe/log.js';
import { Looker } from '../queue/looker.js';
import type { OpenQueue } from '../queue/open.js';
import type { IndexedReports } from '../state/indexed-reports.js';
import {
  ofRun,
  ofTroubles,
  remotesOf,
  runsSince,
  slowRuns,
  staleJobs,
  troublesOf,
} from './happenings.js';
import type { JobPauses } from './job-pauses.js';
import type { JobsInUse } from './jobs-in-use.js';
import type { Role } from './roles.js';

export interface IncidentParts {
  readonly roles: readonly Role[];
  readonly queue: OpenQueue;
  readonly inUse: JobsInUse;
  readonly jobPauses: JobPauses;
  readonly reports: IndexedReports;
  readonly watchState: (job: string) => WatchView;
  /** Whether a kept report is of an attempt that another one follows. */
  readonly hasMore: (report: Report) => boolean;
  readonly log: RootLog;
}

/** What happens without a signal is looked for so often. */
const lookEveryMs = 5000;
/** All ended runs, stale jobs, workers and dead messages are looked at so often. */
const wholeLookEveryMs = 60_000;
/** An outage of the queue that is shorter is none. */
const outageMs = 60_000;
/** Messages of which the newest of each channel counts. */
const newestMessages = 100;
/** The name of the permit of whoever keeps incidents. */
const permitName = 'incidents';

export class Incidents {
  readonly store: IncidentStore;
  readonly messages: Messages;
  /** How many messages this process has delivered (`sent`) or given up (`dead`), by channel. */
  readonly delivered = new Map<string, Record<'sent' | 'dead', number>>();
  readonly #parts: IncidentParts;
  readonly #keeper: Keeper;
  readonly #looker: Looker;
  /** Runs that have ended, and were not judged yet. */
  readonly #ended = new Set<string>();
  readonly #judged = new Set<string>();
  /** Until when a job was seen paused. */
  readonly #heldUntil = new Map<string, number>();
  readonly #troublesSince = new Map<string, number>();
  #progress: Progress | undefined;
  #permit: Permit | undefined;
  #delivery: Delivery | undefined;
  #timer: NodeJS.Timeout | undefined;
  #wholeLookAt = 0;
  #outageSince: number | undefined;
  #closed = false;
  /** Whether incidents were kept of which those who watch have not heard. */
  #hasChanged = false;

  constructor(parts: IncidentParts) {
    const { queue, inUse } = parts;
    const onError = (error: Error) => queue.store.suspect(error);
    this.#parts = parts;
    this.store = new IncidentStore(queue.store, onError);
    this.messages = new Messages(queue.store, onError);
    this.#keeper = new Keeper({
      store: this.store,
      messages: this.messages,
      now: () => queue.store.clock(),
      channels: () => inUse.config.notify,
      isFor: (job, channel) => inUse.jobNamed(job)?.incidents.notify?.includes(channel) ?? true,
      remotesOf: (job) => remotesOf(inUse.jobNamed(job)),
      onSaved: () => {
        this.#hasChanged = true;
      },
    });
    this.#looker = new Looker(
      () => this.#look(),
      (error) => {
        if (queue.trouble() === undefined && !this.#closed)
          parts.log.warn(`incidents: ${error.message}`);
      },
    );
  }

  /** Keeps incidents from now on, in turn with the other schedulers on the queue. */
  begin(): void {
    const { roles, queue, inUse } = this.#parts;
    if (!roles.includes('scheduler')) return;
    queue.signals.on('ended', ({ run }) => {
      this.#ended.add(run);
      this.#looker.call();
    });
    queue.signals.on('incidents', () => this.#looker.call());
    this.#timer = setInterval(() => this.#looker.call(), lookEveryMs).unref();
    inUse.follow(({ notify }) => {
      if (notify.size > 0) this.#deliver();
      this.#looker.call();
    });
    if (inUse.config.notify.size > 0) this.#deliver();
    this.#looker.call();
  }

  /** Something was said to whoever keeps incidents, or a message was added. Never rejects. */
  async poke(): Promise<void> {
    this.#delivery?.look();
    await this.#parts.queue.signals.send('incidents', {}).catch(() => {});
  }

  /** A slot made no run, and nothing else does its work. Errors: `network`. */
  async missed(job: string, slot: number, count: number, why: string): Promise<void> {
    await this.store.say({ note: 'missed', job, slot, count, why });
    void this.poke();
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#timer);
    await this.#looker.settled();
    await this.#delivery?.close();
    await this.#permit?.release().catch(() => {});
    await Promise.all([this.store.close(), this.messages.close()]);
  }

  #deliver(): void {
    const { queue, inUse, log } = this.#parts;
    this.#delivery ??= new Delivery({
      store: queue.store,
      channels: () => inUse.config.notify,
      wording: () => ({ url: inUse.config.api.url, redact: inUse.redact }),
      incidents: async (ids) => {
        const { incidents } = await this.store.load();
        return incidents.filter(({ id }) => ids.includes(id));
      },
      onEnd: (id, { channel }, { result, why }) => {
        const counts = this.delivered.get(channel) ?? { sent: 0, dead: 0 };
        this.delivered.set(channel, counts);
        if (result !== 'carried') counts[result]++;
        if (result === 'dead')
          log.error(`a message to the channel ${channel} did not arrive: ${why}`, { notice: id });
        void this.poke();
      },
      onError: (error) => queue.store.suspect(error),
    });
  }

  async #look(): Promise<void> {
    if (this.#closed) return;
    const now = this.#parts.queue.store.clock();
    if (this.#parts.queue.trouble() !== undefined) {
      this.#outageSince ??= now;
      return;
    }
    if (!(await this.#isKeeper())) return;
    await this.#keeper.hear();
    await this.#keeper.take(await this.#happenings(now));
    if (this.#permit?.isOurs() !== true) return;
    await this.#keeper.tell();
    this.#delivery?.look();
    if (!this.#hasChanged) return;
    this.#hasChanged = false;
    await this.#parts.queue.signals.send('incidentsKept', {}).catch(() => {});
  }

  /** Whether this process keeps incidents now. The permit of one that died is free once its lock has expired. */
  async #isKeeper(): Promise<boolean> {
    if (this.#permit?.isOurs() === true) return true;
    this.#permit = await this.#parts.queue.permits.tryTake(permitName, 1);
    if (this.#permit === undefined) return false;
    this.#progress = await this.#keeper.load();
    this.#judged.clear();
    this.#wholeLookAt = 0;
    return true;
  }

  async #happenings(now: number): Promise<Happening[]> {
    const { inUse } = this.#parts;
    const isWhole = performance.now() >= this.#wholeLookAt;
    const gone = this.#keeper
      .open()
      .flatMap(({ job }) => (job !== undefined && inUse.jobNamed(job) === undefined ? [job] : []));
    const removed = [...new Set(gone)].map((job) => ({ what: 'removed', job, at: now }) as const);
    const found = [...this.#ofOutage(now), ...removed, ...(await this.#ofRuns(isWhole, now))];
    if (!isWhole) return found;
    this.#wholeLookAt = performance.now() + wholeLookEveryMs;
    await this.#keeper.forgetOld();
    return [...found, ...(await this.#ofTime(now))];
  }

  /** An outage is reported once it is over: incidents are kept in the store that was away. */
  #ofOutage(now: number): Happening[] {
    const since = this.#outageSince;
    this.#outageSince = undefined;
    if (since === undefined || now - since < outageMs) return [];
    const message = 'the queue was out of reach, and no run began';
    const subject = 'queue';
    return [
      { what: 'system', subject, message, at: since },
      { what: 'mended', subject, at: now },
    ];
  }

  async #ofRuns(isWhole: boolean, now: number): Promise<Happening[]> {
    const { queue, reports, inUse, hasMore } = this.#parts;
    if (this.#progress === undefined) {
      // What failed before anybody kept incidents is no news.
      this.#progress = { until: new Date(now).toISOString(), seen: {} };
      await this.store.saveProgress(this.#progress);
    }
    const named = [...this.#ended];
    if (named.length === 0 && !isWhole) return [];
    const table = await reports.table();
    const since = isWhole ? runsSince(table, this.#progress.until, this.#judged) : [];
    const found: Report[] = [];
    for (const run of new Set([...named, ...since.map((one) => one.run)])) {
      const isNamed = this.#ended.delete(run);
      if (this.#judged.has(run) || (!isNamed && queue.runs.isUnfinished(run))) continue;
      const report = (await reports.read(run)) ?? (await queue.runs.find(run))?.report;
      if (report === undefined || (!isNamed && hasMore(report))) continue;
      this.#judged.add(run);
      found.push(report);
    }
    found.sort((one, other) => (one.endedAt < other.endedAt ? -1 : 1));
    return found.map((report) => ofRun(report, table, inUse.jobNamed(report.job)));
  }

  async #ofTime(now: number): Promise<Happening[]> {
    const { queue, inUse, jobPauses, reports, watchState } = this.#parts;
    const { config } = inUse;
    const table = await reports.table();
    await this.#keepProgress(now);
    for (const name of config.jobs.keys())
      if (jobPauses.of(name) !== undefined) this.#heldUntil.set(name, now);
    const seen = this.#progress?.seen ?? {};
    const heldUntil = this.#heldUntil;
    const { jobs } = config;
    const stale = await staleJobs({ jobs, table, seen, heldUntil }, now);
    const active = (await queue.runs.list(0)).filter(({ state }) => state === 'active');
    const slow = slowRuns(active, config, table, now);
    const troubles = troublesOf({
      workers: await queue.knownWorkers(),
      config,
      configError: inUse.error,
      watchOf: watchState,
      messages: await this.messages.newest(newestMessages),
    });
    return [
      ...stale,
      ...slow,
      ...ofTroubles(troubles, this.#keeper.open(), this.#troublesSince, now),
    ];
  }

  /** Every run that ended long enough ago was judged; jobs without a success are known from now on. */
  async #keepProgress(now: number): Promise<void> {
    const { inUse } = this.#parts;
    const before: Progress['seen'] = this.#progress?.seen ?? {};
    const names = [...inUse.config.jobs.keys()];
    const seen = Object.fromEntries(names.map((name) => [name, before[name] ?? now]));
    this.#progress = { until: new Date(now).toISOString(), seen };
    await this.store.saveProgress(this.#progress);
    if (this.#judged.size > 10_000) this.#judged.clear();
  }
}
