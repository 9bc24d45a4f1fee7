/** The part of the daemon that answers: the control socket, the logs of runs, and reports of other machines' workers, of which it keeps copies. */
import { existsSync } from 'node:fs';
import { Cancelled } from '../core/errors.js';
import type { Report } from '../core/events.js';
import type { Config } from '../core/job.js';
import { present } from '../core/present.js';
import type { PieceWanted } from '../core/run-piece.js';
import { type AuditLog, openAuditLog } from '../observe/audit-log.js';
import type { RootLog } from '../observe/log.js';
import { readAudit } from '../observe/read-audit.js';
import { readRunLog } from '../observe/read-run-log.js';
import { runLogPath } from '../observe/run-log-files.js';
import type { LostRuns } from '../queue/lost-runs.js';
import type { OpenQueue } from '../queue/open.js';
import { Actions } from '../server/api/actions.js';
import { ApiListener } from '../server/api/api-listener.js';
import type { ApiParts } from '../server/api/app.js';
import { RequestKeys } from '../server/api/request-keys.js';
import { Sessions } from '../server/api/sessions.js';
import type { DaemonStatus } from '../server/control/controls.js';
import { serveControl } from '../server/control/server.js';
import { createDaemonControls, type DaemonControls } from '../server/daemon-controls.js';
import { findRunLog } from '../server/find-run-log.js';
import { refusedPlans } from '../server/refused-plan.js';
import type { RunParts } from '../server/run-parts.js';
import type { History } from '../state/history.js';
import type { IndexedReports } from '../state/indexed-reports.js';
import { namesOfLogs } from '../state/reports.js';
import { warningOfNoRoom } from '../state/room.js';
import { slotsAfter } from '../triggers/schedule/job-slots.js';
import { reportOfRequest } from '../workers/run/report.js';
import type { RunWorker } from '../workers/worker.js';
import { incidentAnswers } from './incident-answers.js';
import type { Incidents } from './incidents.js';
import type { JobPauses } from './job-pauses.js';
import type { JobsInUse } from './jobs-in-use.js';
import { openLive } from './live.js';
import { type DaemonMetrics, openMetrics } from './measuring.js';
import type { RunsProgress } from './progress.js';
import type { Role } from './roles.js';
import { openRunParts } from './run-pieces.js';
import type { Starting } from './starting.js';

export interface AnsweringParts {
  readonly state: string;
  readonly log: RootLog;
  readonly roles: readonly Role[];
  /** Names under which this process works. */
  readonly names: readonly string[];
  readonly version: string;
  readonly queue: OpenQueue;
  readonly inUse: JobsInUse;
  readonly jobPauses: JobPauses;
  readonly history: History;
  readonly reports: IndexedReports;
  readonly progress: RunsProgress;
  readonly worker: RunWorker;
  readonly starting: Starting;
  readonly incidents: Incidents;
  /** The logins that this process has open, by remote. */
  readonly openLogins: () => ReadonlyMap<string, number>;
  readonly newRunId: () => string;
  /** Asks every process for the report of a run that the store does not know. Errors: `network`. */
  readonly askLost: LostRuns['ask'];
}

export interface Answering {
  /** A run has ended in another process. */
  ended(run: string): void;
  /** A run has ended in this one, whose report is kept already. */
  endedHere(run: string, report?: Report): void;
  /** A run that had not begun was cancelled by another process. */
  cancelled(report: Report): void;
  /** Cancels a run, as the socket does. Errors: `network`. */
  cancel(run: string): Promise<unknown>;
  /** Answers where a configuration says, from now on. Never rejects. */
  use(config: Config): Promise<void>;
  /** Copies the reports of runs that ended while this process, or the queue, was away. Never rejects. */
  copyMissed(): Promise<void>;
  close(): Promise<void>;
}

/** Ended runs of each queue in which reports that are missing here are looked for; older ones stay missing. */
const mostMissed = 1000;

/** Resolves once the control socket is open. Errors: `io`; `config` where jobs.yml has the API listen at an address that can't be had. */
export async function openAnswering(parts: AnsweringParts): Promise<Answering> {
  const { state, roles, queue, history, inUse, jobPauses, log, starting } = parts;
  const { runs } = queue;
  const metrics = openMetrics({ ...parts, viewers: () => live.viewers });
  const { runParts, pieces } = openRunParts(parts);
  const controls = createDaemonControls({
    queue,
    jobs: () => inUse.config.jobs,
    remotes: () => inUse.config.remotes.keys(),
    about: aboutDaemon(parts, () => listener.address()),
    openIncidents: async () =>
      (await incidentAnswers(parts).incidents()).filter(({ state }) => state === 'open'),
    filesSeen: () => inUse.filesSeen,
    slotsFromNow: () => slotsAfter(queue.store.clock()),
    nextSlot: starting.nextSlot,
    watchState: starting.watchState,
    newRunId: parts.newRunId,
    cancelHere: (run) => parts.worker.cancel(run),
    pauseOf: jobPauses.of,
    onPauses: () => jobPauses.look(),
    latestSlot: starting.latestSlot,
    progressOf: (run) => parts.progress.of(run),
    reports: keptReports(parts, metrics),
    log: logsOf(parts, runParts),
    async ownWarnings() {
      const noRoom = await warningOfNoRoom(state);
      const unrecorded = audit.trouble();
      return [
        ...(noRoom === undefined ? [] : [noRoom]),
        ...(unrecorded === undefined
          ? []
          : [`audit.log can't be written, so nothing is started over HTTP: ${unrecorded}`]),
      ];
    },
  });
  /** Whether people ask here for runs of other machines' workers. */
  const keepsAll =
    queue.store.kind !== 'embedded' && (roles.includes('api') || roles.includes('scheduler'));
  /** The report of a run that ended elsewhere: if the store was emptied since then, its worker alone has it. */
  const reportOf = async (run: string) => {
    const view = await runs.find(run);
    const report = view === undefined ? await parts.askLost(run) : view.report;
    return typeof report === 'string' ? undefined : report;
  };
  const copyReport = async (run: string) => {
    const report = await reportOf(run).catch(() => undefined);
    if (report !== undefined) metrics.ended(report);
    await history.copy(report);
  };
  const audit = openAuditLog(state);
  const live = openLive(parts, controls);
  const api = { ...apiParts(controls, audit, metrics, runParts, parts), live };
  const listener: ApiListener = new ApiListener({ ...api, rules: () => inUse.config.api, log });
  const pageAddress = () => inUse.config.api.url ?? listener.address();
  const control = await serveControl(state, { ...api, pageAddress });
  try {
    if (roles.includes('api')) await listener.begin();
  } catch (thrown) {
    await control.close();
    throw thrown;
  }
  return {
    ended(run) {
      controls.ended(run);
      if (keepsAll) void copyReport(run);
    },
    endedHere(run, report) {
      controls.ended(run, report);
      metrics.endedHere(run, report);
    },
    cancelled(report) {
      controls.ended(report.run, report);
      metrics.ended(report);
      if (keepsAll) void history.copy(report);
    },
    async copyMissed() {
      if (!keepsAll) return;
      const views = await runs.list(mostMissed).catch(() => []);
      for (const { report } of views) {
        if (report !== undefined) metrics.ended(report);
        await history.copy(report);
      }
    },
    cancel: (run) => controls.cancel(run),
    async use({ api }) {
      if (roles.includes('api')) await listener.use(api);
    },
    async close() {
      live.close();
      await Promise.all([control.close(), listener.close()]);
      await pieces.close();
      audit.close();
    },
  };
}

function aboutDaemon({ version, roles, inUse }: AnsweringParts, address: () => string | undefined) {
  const startedAt = new Date().toISOString();
  return (): Omit<
    DaemonStatus,
    'queue' | 'jobs' | 'pauses' | 'workers' | 'incidents' | 'warnings'
  > => ({
    pid: process.pid,
    version,
    startedAt,
    roles,
    config: {
      file: inUse.config.file,
      loadedAt: inUse.loadedAt.toISOString(),
      ...present({ error: inUse.error }),
    },
    ...present({ api: address() }),
  });
}

function apiParts(
  controls: DaemonControls,
  audit: AuditLog,
  metrics: DaemonMetrics,
  runParts: RunParts,
  parts: AnsweringParts,
): Omit<ApiParts, 'live'> {
  const { state, newRunId, version, inUse, log, queue, reports } = parts;
  return {
    controls,
    reads: {
      jobs: () => inUse.config.jobs,
      remotes: () => inUse.config.remotes,
      isUp: () => queue.trouble() === undefined,
      unfinished: () => controls.unfinished(),
      find: (run) => queue.runs.find(run),
      table: () => reports.table(),
      report: (run) => reports.read(run),
      skipped: (job, limit) => queue.slots.skipped(job, limit),
      part: (wanted, process) => runParts.read(wanted, process),
      progress: (run) => parts.progress.of(run),
      onProgress: (watcher) => parts.progress.watch(watcher),
    },
    actions: new Actions({
      controls,
      keys: new RequestKeys({
        state,
        newRunId,
        claims: queue.claims,
        exists: async (run) =>
          (await queue.runs.find(run)) !== undefined || (await reports.read(run)) !== undefined,
        onWarning: (message) => log.warn(message),
      }),
      refusedPlan: refusedPlans({
        view: (run) => controls.view(run),
        jobs: () => inUse.config.jobs,
        parts: runParts,
      }),
      audit: (entry) => audit.write(entry),
      onUnrecorded: (what, error) =>
        log.error(`${what} is done, but could not be recorded in audit.log: ${error.message}`),
    }),
    incidents: incidentAnswers(parts),
    sessions: new Sessions({ state, onWarning: (message) => log.warn(message) }),
    metrics,
    audit: (wanted) => readAudit(state, wanted),
    version,
    redact: (text) => inUse.redact(text),
    onDefect: (id, error) =>
      log.error(`${id}: a request failed by a defect`, { stack: error.stack }),
  };
}

function keptReports(
  { state, history, reports, inUse }: AnsweringParts,
  metrics: Pick<DaemonMetrics, 'ended'>,
) {
  return {
    ...reports,
    namesOfLogs: () => namesOfLogs(state),
    async cancelled(request: Parameters<typeof reportOfRequest>[0]) {
      const report = reportOfRequest(request, inUse.jobNamed(request.job), new Cancelled(130));
      await history.keep(report);
      metrics.ended(report);
      return report;
    },
  };
}

function logsOf({ state, queue, worker, reports }: AnsweringParts, runParts: RunParts) {
  const parts = {
    isHere: async (run: string) =>
      existsSync(runLogPath(state, run)) || worker.active().some((request) => request.run === run),
    find: (run: string) => queue.runs.find(run),
    report: (run: string) => reports.read(run),
    part: (wanted: PieceWanted, process?: string, signal?: AbortSignal) =>
      runParts.read(wanted, process, signal),
    read: (run: string, follow: boolean, signal: AbortSignal) =>
      readRunLog(state, run, {
        follow,
        signal,
        // A run by hand has no worker, and no further attempts of the queue.
        isLast: (end) => end.worker === undefined || !worker.hasMore(end),
      }),
  };
  return (run: string, follow: boolean, signal: AbortSignal) =>
    findRunLog(parts, run, follow, signal);
}
