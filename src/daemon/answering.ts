/** The part of the daemon that answers: the control socket, the logs of runs, and reports of other machines' workers, of which it keeps copies. */
import { existsSync } from 'node:fs';
import { Cancelled } from '../core/errors.js';
import type { Report } from '../core/events.js';
import { present } from '../core/present.js';
import { readRunLog } from '../observe/read-run-log.js';
import { runLogPath } from '../observe/run-log-files.js';
import type { OpenQueue } from '../queue/open.js';
import type { DaemonStatus } from '../server/control/controls.js';
import { serveControl } from '../server/control/server.js';
import { createDaemonControls } from '../server/daemon-controls.js';
import { findRunLog } from '../server/find-run-log.js';
import type { History } from '../state/history.js';
import type { IndexedReports } from '../state/indexed-reports.js';
import { namesOfLogs } from '../state/reports.js';
import { warningOfNoRoom } from '../state/room.js';
import { slotsAfter } from '../triggers/schedule/job-slots.js';
import { reportOfRequest } from '../workers/run/report.js';
import type { RunWorker } from '../workers/worker.js';
import type { JobPauses } from './job-pauses.js';
import type { JobsInUse } from './jobs-in-use.js';
import type { Role } from './roles.js';
import type { Starting } from './starting.js';

export interface AnsweringParts {
  readonly state: string;
  readonly roles: readonly Role[];
  readonly version: string;
  readonly queue: OpenQueue;
  readonly inUse: JobsInUse;
  readonly jobPauses: JobPauses;
  readonly history: History;
  readonly reports: IndexedReports;
  readonly worker: RunWorker;
  readonly starting: Starting;
  readonly newRunId: () => string;
}

export interface Answering {
  /** A run has ended, wherever it was carried out. */
  ended(run: string): void;
  /** A run that had not begun was cancelled by another process. */
  cancelled(report: Report): void;
  /** Cancels a run, as the socket does. Errors: `network`. */
  cancel(run: string): Promise<unknown>;
  /** Copies the reports of runs that ended while this process, or the queue, was away. Never rejects. */
  copyMissed(): Promise<void>;
  close(): Promise<void>;
}

/** Ended runs of each queue in which reports that are missing here are looked for; older ones stay missing. */
const mostMissed = 1000;

/** Resolves once the control socket is open. Errors: `io`. */
export async function openAnswering(parts: AnsweringParts): Promise<Answering> {
  const { state, roles, queue, history, jobPauses, starting } = parts;
  const { runs } = queue;
  const controls = createDaemonControls({
    queue,
    jobs: () => parts.inUse.config.jobs,
    remotes: () => parts.inUse.config.remotes.keys(),
    about: aboutDaemon(parts),
    filesSeen: () => parts.inUse.filesSeen,
    slotsFromNow: () => slotsAfter(queue.store.clock()),
    nextSlot: starting.nextSlot,
    watchState: starting.watchState,
    newRunId: parts.newRunId,
    cancelHere: (run) => parts.worker.cancel(run),
    pauseOf: jobPauses.of,
    onPauses: () => jobPauses.look(),
    latestSlot: starting.latestSlot,
    reports: keptReports(parts),
    log: logsOf(parts),
    async ownWarnings() {
      const noRoom = await warningOfNoRoom(state);
      return noRoom === undefined ? [] : [noRoom];
    },
  });
  /** Whether people ask here for runs of other machines' workers. */
  const keepsAll =
    queue.store.kind !== 'embedded' && (roles.includes('api') || roles.includes('scheduler'));
  const copyReport = async (run: string) =>
    history.copy((await runs.find(run).catch(() => undefined))?.report);
  const control = await serveControl(state, controls);
  return {
    ended(run) {
      controls.ended(run);
      if (keepsAll) void copyReport(run);
    },
    cancelled(report) {
      controls.ended(report.run, report);
      if (keepsAll) void history.copy(report);
    },
    async copyMissed() {
      if (!keepsAll) return;
      const views = await runs.list(mostMissed).catch(() => []);
      for (const view of views) await history.copy(view.report);
    },
    cancel: (run) => controls.cancel(run),
    close: () => control.close(),
  };
}

function aboutDaemon({ version, roles, inUse }: AnsweringParts) {
  const startedAt = new Date().toISOString();
  return (): Omit<DaemonStatus, 'queue' | 'jobs' | 'pauses' | 'workers' | 'warnings'> => ({
    pid: process.pid,
    version,
    startedAt,
    roles,
    config: {
      file: inUse.config.file,
      loadedAt: inUse.loadedAt.toISOString(),
      ...present({ error: inUse.error }),
    },
  });
}

function keptReports({ state, history, reports, inUse }: AnsweringParts) {
  return {
    ...reports,
    namesOfLogs: () => namesOfLogs(state),
    async cancelled(request: Parameters<typeof reportOfRequest>[0]) {
      const report = reportOfRequest(request, inUse.jobNamed(request.job), new Cancelled(130));
      await history.keep(report);
      return report;
    },
  };
}

function logsOf({ state, queue, worker, reports }: AnsweringParts) {
  const parts = {
    isHere: async (run: string) =>
      existsSync(runLogPath(state, run)) || worker.active().some((request) => request.run === run),
    find: (run: string) => queue.runs.find(run),
    report: (run: string) => reports.read(run),
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
