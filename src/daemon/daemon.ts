/**
 * The long-running ferryline, put together: what starts runs (schedule, watches, requests), the
 * queue they stand in, the worker that carries them out, and the socket on which all of it can be
 * asked. Each part is told here what the others are; none of them knows another.
 *
 *     schedule ─▶ slots ─┐
 *     watches ───────────┼─▶ runs queue ─▶ worker ─▶ runJob ─▶ report
 *     control socket ────┘
 */
import { existsSync } from 'node:fs';
import { hostname } from 'node:os';
import { Cancelled, FerryError } from '../core/errors.js';
import type { Report } from '../core/events.js';
import type { Config } from '../core/job.js';
import type { RunRequest } from '../core/request.js';
import { newRunId } from '../core/run-id.js';
import { createPool } from '../endpoints/sftp/pool.js';
import { Scope } from '../jobs/plan/filter.js';
import type { RootLog } from '../observe/log.js';
import { readRunLog } from '../observe/read-run-log.js';
import { redactEvent } from '../observe/redact.js';
import { runListener } from '../observe/run-listener.js';
import { removeRunLogs, runLogPath } from '../observe/run-log-files.js';
import { openTransferLog } from '../observe/transfer-log.js';
import { type Consumer, consume } from '../queue/consume.js';
import { openQueue } from '../queue/open.js';
import { storeKind } from '../queue/store/store.js';
import { serveControl } from '../server/control/server.js';
import { createAnswers } from '../server/daemon-controls.js';
import { runLog } from '../server/find-run-log.js';
import { createHistory } from '../state/history.js';
import { acquireDaemonLock } from '../state/lock.js';
import { listReports, readReport } from '../state/reports.js';
import { slotDecider } from '../triggers/schedule/decide-slot.js';
import { createScheduler } from '../triggers/schedule/schedule.js';
import { openSeen } from '../triggers/schedule/seen-slots.js';
import { createWatches } from '../triggers/watch/watches.js';
import { Logins } from '../workers/logins.js';
import { reportOfRequest } from '../workers/run/report.js';
import { attemptsOf, RunWorker } from '../workers/worker.js';
import { type Closable, closeAll, drain } from './ending.js';
import { createJobsInUse } from './jobs-in-use.js';

export const allRoles = ['scheduler', 'watcher', 'worker', 'api'] as const;
export type Role = (typeof allRoles)[number];

export interface DaemonOptions {
  readonly config: Config;
  /** Reads jobs.yml anew. Rejects when it is invalid. */
  readonly load: () => Promise<Config>;
  readonly state: string;
  readonly roles: readonly Role[];
  /** Names under which this process works: it takes runs of jobs that ask for one of them, too. */
  readonly names: readonly string[];
  /** Runs carried out at once. */
  readonly concurrency: number;
  /** Milliseconds to wait for the queue at the start. */
  readonly waitQueue: number;
  readonly log: RootLog;
  readonly debug: boolean;
  readonly version: string;
  /** Stops the daemon. */
  readonly signal: AbortSignal;
}

export interface Daemon {
  /** Takes jobs.yml as it is now; an invalid one is told, and changes nothing. */
  reload(): Promise<void>;
  /** Stops taking runs, brings those in hand to a safe point, and closes everything. */
  stop(): Promise<void>;
  /** Aborted, with a FerryError of code `queueBroken`, when the daemon can't go on: it is to be stopped, and a new one started. */
  readonly broken: AbortSignal;
}

/** The code of the error with which a daemon ends by itself: a new one on the same folder can go on. */
export const queueBroken = 'QUEUE_BROKEN';
/** Runs in hand for each that is carried out: the others wait for a permit, a lock or their turn. */
const inHandFor = 4;
/** Ended runs of each queue that are looked at for reports that are missing here. */
const mostMissed = 1000;

/** Starts the daemon and resolves when it works. Errors: `busy` for a state folder in use, `network` for a queue out of reach, `config`. */
export async function startDaemon(options: DaemonOptions): Promise<Daemon> {
  const broken = new AbortController();
  const begun: Closable[] = [];
  try {
    return await assemble(options, broken, begun);
  } catch (error) {
    await closeAll(begun.reverse());
    throw broken.signal.aborted ? broken.signal.reason : error;
  }
}

/** `begun` takes what was begun and has to be ended when a later part of the start fails. */
async function assemble(
  options: DaemonOptions,
  broken: AbortController,
  begun: Closable[],
): Promise<Daemon> {
  const { state, roles, names, log, signal } = options;
  const has = (role: Role) => roles.includes(role);
  const startedAt = new Date();
  const onError = (error: Error) => log.warn(error.message);
  const runId = () => newRunId(Date.now());
  const inUse = createJobsInUse({
    config: options.config,
    load: options.load,
    apply: async ({ jobs, remotes }) => {
      runs.watchWorkers(workersOf(jobs));
      const mine = [...jobs.values()].filter(
        ({ starts: { worker: name } }) => name === undefined || names.includes(name),
      );
      watches.set(has('watcher') ? mine.filter((job) => job.starts.watch !== undefined) : []);
      if (has('scheduler')) scheduler.set(await seen.jobs(jobs, queue.slots));
      logins.keepOnly(remotes);
    },
    onApplied: (config) => warnOfStrangers(config, options),
    log,
  });
  const { jobNamed } = inUse;
  log.setRedact(inUse.redact);

  const lock = await acquireDaemonLock(state);
  begun.push({ close: () => lock.release() });
  log.info('opening the queue', { queue: storeKind(options.config.queue), state });
  const queue = await openQueue({
    url: options.config.queue,
    state,
    wait: options.waitQueue,
    signal,
    onNote: (message) => log.info(message),
    onWarning: (message) => log.warn(message),
    onBack: () => void comeBack(),
    onBroken: (why) =>
      broken.abort(
        new FerryError('io', `the queue's database went down: ${why}`, {
          code: queueBroken,
          hint: 'it is looked at, and set aside if it is damaged, when the daemon starts again',
        }),
      ),
  });
  begun.push(queue);
  const { runs, pauses, signals } = queue;
  const isPaused = (job: string) => pauses.isPaused(job);
  const transfers = openTransferLog({ state, redact: inUse.redact, onError });

  const history = createHistory({
    state,
    historyOf: (job) => jobNamed(job)?.history ?? 500,
    forget: (gone) => removeRunLogs(state, gone),
    onError,
  });
  const listen = runListener({
    state,
    log,
    transfers,
    redact: inUse.redact,
    debug: options.debug,
    remoteOf(name) {
      const job = jobNamed(name);
      return (job?.to.remote ?? job?.from.remote)?.name;
    },
    onError,
  });

  // what carries runs out
  const pool = createPool({ notice: (remote, text) => log.info(`${remote}: ${text}`) });
  const logins = new Logins(pool, (...asked) => queue.permits.take(...asked));
  const worker = new RunWorker({
    pool,
    state,
    name: workerName(names),
    logins,
    takePermit: (...asked) => queue.permits.take(...asked),
    atOnce: options.concurrency,
    jobNamed,
    isPaused,
    listen,
    redact: (report) => redactEvent(report, inUse.redact),
    keep: history.keep,
  });
  const consumers: Consumer[] = !has('worker')
    ? []
    : [undefined, ...names].map((name) =>
        consume(queue.store, {
          worker: name,
          concurrency: options.concurrency * inHandFor,
          carryOut: (assignment) => worker.carryOut(assignment),
          onGivenUp: (request, why) => void history.keep(giveUp(request, why)),
          // That the queue is out of reach is told once.
          onError: (error) => queue.trouble() === undefined && onError(error),
        }),
      );

  begun.push(...consumers);

  // what starts them
  const watches = createWatches({
    request(job, folders) {
      const limited = folders === undefined ? {} : { folders };
      const trigger = folders === undefined ? 'rescan' : 'watch';
      const request: RunRequest = { run: runId(), job: job.name, trigger, ...limited };
      const rules = { worker: job.starts.worker, attempts: attemptsOf(request, job) };
      return runs.request(request, rules);
    },
    endOf: async (run) => {
      const view = await runs.find(run);
      if (view !== undefined && view.state !== 'ended') return undefined;
      return view?.report ?? (await readReport(state, run)) ?? 'lost';
    },
    wanted: (job) => {
      const scope = Scope.of(job.scope, Date.now(), []);
      return (path, isFolder) => !scope.excludes(path, isFolder);
    },
    isPaused,
    onNote: (job, level, message) => log[level](`${job}: ${message}`),
  });
  const seen = await openSeen(state, onError);
  const scheduler = createScheduler({
    async onSlot(job, slot, how) {
      await queue.slots.add({ job, slot, how });
      seen.set(job, slot);
    },
    async onSkip(job, slot, why) {
      await queue.slots.add({ job, slot, how: 'catch-up', skip: why });
      seen.set(job, slot);
    },
    onError: (job, error) => log.warn(`${job}: a slot waits: ${(error as Error).message}`),
  });

  begun.push(watches, { close: async () => scheduler.stop() });

  const answers = createAnswers({
    queue,
    jobs: () => inUse.config.jobs,
    about: () => ({
      pid: process.pid,
      version: options.version,
      startedAt: startedAt.toISOString(),
      roles,
      config: {
        file: inUse.config.file,
        loadedAt: inUse.loadedAt.toISOString(),
        ...(inUse.error === undefined ? {} : { error: inUse.error }),
      },
    }),
    nextSlot: (job) => scheduler.next(job),
    watchState: (job) => watches.state(job),
    newRunId: runId,
    cancelHere: (run) => worker.cancel(run),
    onPause: (job) => {
      if (!isPaused(job)) watches.resumed(job);
    },
    reports: {
      list: (asked) => listReports(state, asked),
      read: (run) => readReport(state, run),
      async cancelled(view) {
        const report = reportOfRequest(view, jobNamed(view.job), new Cancelled(130));
        await history.keep(report);
        return report;
      },
    },
    log: (run, follow, abort) =>
      runLog(
        {
          isHere: async (one) =>
            existsSync(runLogPath(state, one)) ||
            worker.active().some((request) => request.run === one),
          find: (one) => runs.find(one),
          report: (one) => readReport(state, one),
          read: (one, on, signal) =>
            readRunLog(state, one, {
              follow: on,
              signal,
              isLast: (end) => !worker.hasMore(end),
            }),
        },
        run,
        follow,
        abort,
      ),
  });

  runs.onEnded((run) => {
    answers.ended(run);
    watches.ended(run);
    if (keepsAll) void copyReport(run);
  });
  signals.on('cancel', ({ run }) => worker.cancel(run));
  signals.on('wanted', ({ permit }) => logins.wanted(permit));
  signals.on('pauses', ({ job }) => {
    const before = isPaused(job);
    void pauses
      .sync()
      .then(() => before && !isPaused(job) && watches.resumed(job))
      .catch(onError);
  });

  /** Reports of other machines' workers are kept here, too, where people ask for them. */
  const keepsAll = queue.store.kind !== 'embedded' && (has('api') || has('scheduler'));
  const copyReport = async (run: string) => {
    await history.copy((await runs.find(run).catch(() => undefined))?.report);
  };
  /** Those of runs that ended while this process was away, or the queue was. */
  const copyMissed = async () => {
    if (!keepsAll) return;
    const views = await runs.list(mostMissed).catch(() => []);
    for (const view of views) await history.copy(view.report);
  };

  /** After an outage, what the queue should know is told again, and what may have been missed is looked for. */
  const comeBack = async () => {
    await pauses.sync().catch(onError);
    await inUse.applyInTime();
    watches.rescan();
    await copyMissed();
  };

  const control = await serveControl(state, answers);
  begun.push(control);
  if (has('scheduler'))
    queue.slots.decide(
      slotDecider({
        runs,
        jobNamed,
        isPaused,
        newRunId: runId,
        hasReport: async (run) => (await readReport(state, run)) !== undefined,
      }),
    );
  await inUse.apply();
  void copyMissed();
  warnOfStrangers(options.config, options);
  log.info(`ferryline ${options.version} works: ${roles.join(', ')}`, {
    pid: process.pid,
    queue: queue.store.kind,
    jobs: inUse.config.jobs.size,
    state,
  });

  let stopping: Promise<void> | undefined;
  return {
    broken: broken.signal,
    reload: inUse.reload,
    stop() {
      stopping ??= (async () => {
        log.info('stopping', { runs: worker.active().length });
        inUse.close();
        scheduler.stop();
        await drain({ consumers, worker, watches, hurry: broken.signal.aborted, log });
        await closeAll([control, logins, pool, queue]);
        transfers.close();
        await lock.release();
        log.info('stopped');
      })();
      return stopping;
    },
  };

  /** The report, told, of a run whose workers died too often. */
  function giveUp(request: RunRequest, why: string): Report {
    const error = new FerryError('defect', `its workers ended again and again: ${why}`, {
      hint: 'the run itself may be what ends them: `ferryline run` shows what happens',
    });
    const report = reportOfRequest(request, jobNamed(request.job), error);
    const { emit, end } = listen(request);
    emit({ event: 'run', ...report });
    void end();
    return report;
  }
}

/** How reports call this process's worker. */
function workerName(names: readonly string[]): string {
  return names.length === 0 ? hostname() : `${names.join(',')}@${hostname()}`;
}

function workersOf(jobs: Config['jobs']): Set<string> {
  const names = [...jobs.values()].map(({ starts: { worker } }) => worker);
  return new Set(names.filter((name) => name !== undefined));
}

/** Jobs that no worker here takes, where this process is the only one there can be. */
function warnOfStrangers(config: Config, { names, log }: DaemonOptions): void {
  if (config.queue !== 'embedded') return;
  for (const name of workersOf(config.jobs))
    if (!names.includes(name))
      log.warn(
        `jobs ask for a worker named ${name}, which this one is not; start it with --worker ${name}`,
      );
}
