/**
 * The long-running ferryline, put together from its parts: what starts runs, the queue that keeps
 * them, the worker that carries them out, and the socket on which all of it answers. Each part gets
 * what it needs as an argument, and is used only once all of them exist.
 *
 *     schedule ─▶ slots ─┐ starting.ts
 *     watches ───────────┼─▶ runs queue ─▶ worker ─▶ runJob ─▶ report
 *     control socket ────┘ answering.ts    working.ts
 */
import { hostname } from 'node:os';
import { FerryError } from '../core/errors.js';
import type { Report } from '../core/events.js';
import { type Config, partsOf } from '../core/job.js';
import { strangersAmong, type WorkerPresence } from '../core/known-worker.js';
import { newRunId } from '../core/run-id.js';
import type { RootLog } from '../observe/log.js';
import { runListener } from '../observe/run-listener.js';
import { removeRunLogs } from '../observe/run-log-files.js';
import { openTransferLog } from '../observe/transfer-log.js';
import type { Acknowledged } from '../queue/acknowledged.js';
import { openLostRuns } from '../queue/lost-runs.js';
import { type OpenQueue, openQueue } from '../queue/open.js';
import { openProgressStream } from '../queue/progress-stream.js';
import { storeKind } from '../queue/store/store.js';
import { createHistory } from '../state/history.js';
import { indexedReports } from '../state/indexed-reports.js';
import { acquireDaemonLock } from '../state/lock.js';
import { RunIndex } from '../state/run-index.js';
import { type Answering, openAnswering } from './answering.js';
import { jobMarks } from './config-digest.js';
import { Emptied } from './emptied.js';
import { type Closable, closeAll } from './ending.js';
import { Incidents } from './incidents.js';
import { JobPauses } from './job-pauses.js';
import { JobsInUse, type ReadConfig } from './jobs-in-use.js';
import { Pinging } from './pinging.js';
import { RunsProgress } from './progress.js';
import type { Role } from './roles.js';
import { Routing } from './routing.js';
import { openStarting, type Starting } from './starting.js';
import { Working } from './working.js';

export interface DaemonOptions extends ReadConfig {
  /** Reads jobs.yml again. Rejects when it is invalid. */
  readonly load: () => Promise<ReadConfig>;
  readonly state: string;
  readonly roles: readonly Role[];
  /** Names under which this process works: it also takes runs of jobs that ask for one of them. */
  readonly names: readonly string[];
  /** Runs carried out at once. */
  readonly concurrency: number;
  /** Milliseconds to wait for the queue at the start. */
  readonly waitQueue: number;
  readonly log: RootLog;
  readonly debug: boolean;
  readonly version: string;
  /** What this process acknowledged: a daemon that follows on one whose queue broke has its requests. */
  readonly acknowledged: Acknowledged;
  /** Ends the start while it waits for the queue. */
  readonly signal: AbortSignal;
}

export interface Daemon {
  /** Reloads jobs.yml; an invalid one is logged and changes nothing. Never rejects. */
  reload(): Promise<void>;
  /** Stops taking runs, brings those in hand to a safe point, and closes everything. */
  stop(): Promise<void>;
  /** Aborted, with a FerryError of code `queueBroken`, when the daemon can't go on: the caller stops it, and starts a new one. */
  readonly broken: AbortSignal;
}

/** The code of the error with which a daemon ends by itself: a new one on the same folder can go on. */
export const queueBroken = 'QUEUE_BROKEN';

/** Starts the daemon and resolves when it works. Errors: `busy` for a state folder in use, `network` for a queue out of reach, `config`. */
export async function startDaemon(options: DaemonOptions): Promise<Daemon> {
  const broken = new AbortController();
  /** What has been opened, and is closed when a later step of the start fails. */
  const opened: Closable[] = [];
  try {
    return await assemble(options, broken, opened);
  } catch (error) {
    await closeAll(opened.reverse());
    throw broken.signal.aborted ? broken.signal.reason : error;
  }
}

async function assemble(
  options: DaemonOptions,
  broken: AbortController,
  opened: Closable[],
): Promise<Daemon> {
  const { state, roles, log } = options;
  const inUse = new JobsInUse({
    ...options,
    onReloaded: (config) => warnOfUntakenJobs(config, options),
  });
  log.setRedact(inUse.redact);
  const lock = await acquireDaemonLock(state);
  opened.push({ close: () => lock.release() });
  const recovery = new Recovery();
  const startedAt = new Date().toISOString();
  log.info('opening the queue', { queue: storeKind(options.config.queue), state });
  const hasCarried = options.acknowledged.all().length > 0;
  const queue = await openQueueOf(options, recovery, broken);
  opened.push(queue);

  const records = openRecords(options, inUse);
  opened.push(records);
  const { history, reports } = records;
  const newId = () => newRunId(Date.now());
  const jobPauses = new JobPauses({ pauses: queue.pauses, jobs: () => inUse.config.jobs });
  const endOf = async (run: string) => {
    const report = await reports.read(run);
    return report === undefined || working.worker.hasMore(report) ? undefined : report;
  };
  const onError = (error: Error) => queue.store.suspect(error);
  const { ask: askLost } = openLostRuns({ ...queue, reportOf: endOf, onError });
  const routing = new Routing({
    ...queue,
    quietMs: () => emptied.quietMs(),
    askLost,
    knownWorkers: () => queue.knownWorkers(),
    ownId: queue.workers.id,
    jobNamed: inUse.jobNamed,
    digest: () => inUse.digest,
    cancel: (run) => answering.cancel(run),
    log,
  });
  const stream = openProgressStream(queue.store, roles.includes('api'), onError);
  const { signals } = queue;
  const progress = new RunsProgress({ stream, signals, redact: (text) => inUse.redact(text) });
  opened.push(progress);
  const pinging = new Pinging({ ...options, queue, inUse });
  opened.push(pinging);
  const shared = {
    ...options,
    queue,
    inUse,
    jobPauses,
    history,
    reports,
    progress,
    listen: progress.listening(pinging.listening(records.listen)),
    routing,
    onEnded: (run: string, report: Report | undefined) => {
      if (report !== undefined) pinging.ended(report);
      answering.endedHere(run, report);
    },
    quietMs: () => emptied.quietMs(),
    newRunId: newId,
    askLost,
    onMissed: (...missed: Parameters<Incidents['missed']>) => incidents.missed(...missed),
  };
  const working = new Working(shared);
  opened.push(working);
  const starting = await openStarting(shared);
  opened.push(starting);
  const incidents = new Incidents({
    ...shared,
    watchState: starting.watchState,
    hasMore: (report) => working.worker.hasMore(report),
  });
  opened.push(incidents);
  const answering: Answering = await openAnswering({
    ...shared,
    incidents,
    worker: working.worker,
    starting,
    openLogins: () => working.logins.open(),
  });
  opened.push(answering);

  // All parts exist: from here on they are connected, then started.
  const emptied: Emptied = new Emptied({
    queue,
    hasEnded: async (run) => (await endOf(run)) !== undefined,
    log,
    restore: () => restore(parts, log),
  });
  opened.push(emptied);
  const parts = { queue, inUse, jobPauses, routing, working, starting, answering, emptied };
  connect(parts, log);
  await queue.workers.begin(() => presenceOf(options, parts, startedAt));
  await inUse.apply();
  if (roles.includes('worker')) working.begin();
  starting.begin();
  emptied.begin();
  incidents.begin();
  pinging.begin();
  if (hasCarried) void emptied.afterRestart().catch((error: Error) => log.warn(error.message));
  void answering.copyMissed();
  void warnOfStrangers(queue, log);
  recovery.begin(() => recover(parts, log));
  warnOfUntakenJobs(options.config, options);
  log.info(`ferryline ${options.version} started: ${roles.join(', ')}`, {
    pid: process.pid,
    queue: queue.store.kind,
    jobs: inUse.config.jobs.size,
    state,
  });

  const stop = async () => {
    log.info('stopping', { runs: working.worker.active().length });
    inUse.close();
    jobPauses.close();
    await Promise.all([working.drain(broken.signal.aborted), closeAll([emptied, starting])]);
    // A slot that is being decided may still be a missed one.
    await closeAll([queue.slots, incidents, answering, working, pinging, progress, queue, records]);
    await lock.release();
    log.info('stopped');
  };
  let stopping: Promise<void> | undefined;
  return {
    broken: broken.signal,
    reload: () => inUse.reload(),
    stop() {
      stopping ??= stop();
      return stopping;
    },
  };
}

interface Parts {
  readonly queue: OpenQueue;
  readonly inUse: JobsInUse;
  readonly jobPauses: JobPauses;
  readonly routing: Routing;
  readonly working: Working;
  readonly starting: Starting;
  readonly answering: Answering;
  readonly emptied: Emptied;
}

/** Passes on to the parts: ended runs, messages from other processes, and a reloaded jobs.yml. */
function connect(parts: Parts, log: RootLog): void {
  const { queue, inUse, jobPauses, routing, working, starting, answering } = parts;
  const { runs, pauses, signals } = queue;
  signals.on('ended', ({ run }, isOurs) => {
    if (isOurs) answering.endedHere(run);
    else answering.ended(run);
    starting.ended(run);
  });
  signals.on('cancelled', ({ report }, isOurs) => {
    if (!isOurs) answering.cancelled(JSON.parse(report));
  });
  signals.on('cancel', ({ run }) => working.worker.cancel(run));
  signals.on('wanted', ({ permit }) => working.logins.wanted(permit));
  signals.on('pauses', () => {
    void pauses
      .sync()
      .then(() => jobPauses.look())
      .catch((error: Error) => log.warn(error.message));
  });
  inUse.follow(({ jobs }) => runs.watchWorkers(workersOf(jobs)));
  inUse.follow((config) => routing.use(config));
  inUse.follow((config) => starting.use(config));
  inUse.follow((config) => working.use(config));
  inUse.follow((config) => answering.use(config));
  inUse.follow(() => jobPauses.look());
  inUse.follow(() => void queue.workers.tell());
  jobPauses.begin((job) => starting.resumed(job));
}

/** What the other processes on the queue know of this one. */
function presenceOf(
  { version, roles, names }: DaemonOptions,
  { inUse, working }: Parts,
  startedAt: string,
): WorkerPresence {
  const { digest } = inUse;
  const jobs = jobMarks(inUse.config.jobs.keys());
  const runs = working.worker.active().map(({ run }) => run);
  const { pid } = process;
  return { host: hostname(), pid, version, roles, names, digest, jobs, runs, startedAt };
}

/** After an outage: looks what the queue still has, and brings back the rest. Never rejects. */
async function recover(parts: Parts, log: RootLog): Promise<void> {
  const { queue, emptied } = parts;
  try {
    if (await emptied.look()) return;
    await queue.runs.refill(async () => !(await emptied.look()));
  } catch (error) {
    log.warn((error as Error).message);
  }
  await restore(parts, log);
}

/** Brings pauses and schedules back to the queue, and looks for what was missed. Never rejects. */
async function restore(parts: Parts, log: RootLog): Promise<void> {
  const { queue, inUse, jobPauses, starting, answering } = parts;
  await queue.pauses.sync().catch((error: Error) => log.warn(error.message));
  jobPauses.look();
  await inUse.applyInTime();
  starting.rescan();
  await answering.copyMissed();
}

/** What is done whenever the queue is back; the queue may say so before the daemon can do it. */
class Recovery {
  #recover: (() => Promise<void>) | undefined;
  #isDue = false;

  /** The queue is back after an outage. */
  queueIsBack(): void {
    if (this.#recover === undefined) this.#isDue = true;
    else void this.#recover();
  }

  /** From now on `recover` is called whenever the queue is back, and at once if it was back before. */
  begin(recover: () => Promise<void>): void {
    this.#recover = recover;
    if (this.#isDue) void recover();
  }
}

function openQueueOf(
  { config, state, waitQueue, acknowledged, signal, log }: DaemonOptions,
  recovery: Recovery,
  broken: AbortController,
): Promise<OpenQueue> {
  return openQueue({
    url: config.queue,
    name: config.name,
    state,
    acknowledged,
    wait: waitQueue,
    signal,
    onNote: (message) => log.info(message),
    onWarning: (message) => log.warn(message),
    onBack: () => recovery.queueIsBack(),
    onBroken: (why) =>
      broken.abort(
        new FerryError('io', `the queue's database went down: ${why}`, {
          code: queueBroken,
          hint: 'the next start checks it, and sets it aside if it is damaged',
        }),
      ),
  });
}

/** What is kept of runs: their reports, their logs, and the transfer log. */
function openRecords({ state, log, debug }: DaemonOptions, { jobNamed, redact }: JobsInUse) {
  const onError = (error: Error) => log.warn(error.message);
  const transfers = openTransferLog({ state, redact, onError });
  const index = new RunIndex({ state, onError });
  const history = createHistory({
    state,
    historyOf: (job) => jobNamed(job)?.history ?? { count: 500 },
    forget: (gone) => removeRunLogs(state, gone),
    onError,
    onLost: ({ job, run, outcome, files }) =>
      log.error(
        `${job}: ${outcome}, and the report of its run ${run} is lost, since it could not be saved; what the queue keeps of it has the figures and the first failures`,
        { run, outcome, ...files },
      ),
  });
  const listen = runListener({
    state,
    log,
    transfers,
    redact,
    debug,
    remoteOf(name, target) {
      const job = jobNamed(name);
      const part = job && partsOf(job).find((one) => one.target === target);
      return (part?.to.remote ?? part?.from.remote)?.name;
    },
    onError,
  });
  const close = async () => {
    await history.close();
    transfers.close();
    await index.close();
  };
  return { history, reports: indexedReports(state, index), listen, close };
}

/** The names of workers that jobs ask for. */
function workersOf(jobs: Config['jobs']): Set<string> {
  const names = [...jobs.values()].map(({ starts: { worker } }) => worker);
  return new Set(names.filter((name) => name !== undefined));
}

/** Warns when another installation is at work on the queue. Never rejects. */
async function warnOfStrangers(queue: OpenQueue, log: RootLog): Promise<void> {
  const strangers = strangersAmong(await queue.knownWorkers().catch(() => []));
  if (strangers !== undefined) log.warn(strangers);
}

/** Warns of jobs that nobody takes: an embedded queue has no other process, so no other worker. */
function warnOfUntakenJobs(config: Config, { names, log }: DaemonOptions): void {
  if (config.queue !== 'embedded') return;
  for (const name of workersOf(config.jobs))
    if (!names.includes(name))
      log.warn(
        `jobs ask for a worker named ${name}, which this one is not; start it with --worker ${name}`,
      );
}
