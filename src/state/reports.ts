/**
 * Reports of runs in STATE/runs/JOB/RUN.json: saved, listed, read. workers/run makes them. Those of
 * runs that changed nothing are in RUN.idle.json, so that they need not be read to be told apart.
 */
import { readdir, rename } from 'node:fs/promises';
import { each } from '../core/at-once.js';
import { FerryError } from '../core/errors.js';
import { isIdle, type Report } from '../core/events.js';
import type { Job } from '../core/job.js';
import { isRunId, type KnownRun, runTime } from '../core/run-id.js';
import { addToIndex } from './index-file.js';
import {
  idleReportFile,
  jobReportsFolder,
  reportFile,
  reportsFolder,
  runLogsFolder,
} from './layout.js';
import { removeFile } from './remove-file.js';
import { type KeptReport, type NamedReport, namedReport, readKeptReport } from './report-files.js';
import { indexedRun } from './run-line.js';
import { writeWhole } from './write-whole.js';

export interface ListOptions {
  /** Only runs of this job; absent: of every job that ever ran. */
  readonly job?: string;
  readonly limit: number;
  /** Only runs with a smaller id: the page that follows one that ended with this run. */
  readonly before?: string;
  /** Whether runs that changed nothing are listed, too; default true. */
  readonly idle?: boolean;
}

const foldersAtOnce = 16;
const filesAtOnce = 16;

/** Reports of runs that changed nothing that are kept of a job, however long its history: a job that runs every second would fill the disk. */
const mostIdle = 500;

/**
 * Saves a report, whole or not at all, in place of one of an earlier attempt of the same run, and
 * removes the job's oldest reports beyond `history`. Resolves to the runs whose reports were removed,
 * so that their logs can be, too. A power cut may cost the last report. Rejects with the system's error.
 */
export async function saveReport(
  state: string,
  report: Report,
  history: Job['history'],
): Promise<string[]> {
  const { job, run } = report;
  const file = reportFile(state, job, run);
  const idleFile = idleReportFile(state, job, run);
  const before = (await namesIn(jobReportsFolder(state, job)))
    .map(namedReport)
    .filter((named) => named !== undefined);
  // A run has one file at every moment: it is written under the first name, and renamed if it was idle.
  if (before.some((named) => named.run === run && named.idle)) await rename(idleFile, file);
  await writeWhole(file, `${JSON.stringify(report)}\n`);
  if (isIdle(report)) await rename(file, idleFile);
  const others = before.filter((named) => named.run !== run);
  const removed = beyond([...others, { run, idle: isIdle(report) }], history, runTime(run) ?? 0);
  for (const { run: old, idle } of removed)
    await removeFile((idle ? idleReportFile : reportFile)(state, job, old));
  await addToIndex(state, [
    indexedRun(report),
    ...removed.map(({ run: old }) => ({ run: old, job, gone: true as const })),
  ]);
  return removed.map(({ run }) => run);
}

/**
 * The reports that a job's history does not cover at `now`. Runs that changed nothing push out no
 * others, and only so many of them are kept; the newest one always is, since it proves the last success.
 */
function beyond(
  kept: readonly NamedReport[],
  history: Job['history'],
  now: number,
): readonly NamedReport[] {
  const newestFirst = (idle: boolean) =>
    kept.filter((named) => named.idle === idle).sort((a, b) => (a.run < b.run ? 1 : -1));
  const busy = newestFirst(false);
  const idle = newestFirst(true);
  if ('count' in history)
    return [...busy.slice(history.count), ...idle.slice(Math.min(history.count, mostIdle))];
  const isOld = ({ run }: NamedReport) => (runTime(run) ?? 0) < now - history.ms;
  return [
    ...busy.filter(isOld),
    ...idle.filter((named, number) => number > 0 && (number >= mostIdle || isOld(named))),
  ];
}

/**
 * The newest reports, newest first (ids sort by time). Only the files that their names put among
 * the newest are read. A file that is no whole report, or another run's, is passed over. Rejects
 * with `io` if a folder can't be read.
 */
export async function listReports(state: string, options: ListOptions): Promise<Report[]> {
  const { job, idle = true } = options;
  const jobs = await jobFolders(state, job);
  return newestReports(state, options, (limit, before) =>
    newestOf(state, jobs, { limit, before, idle }),
  );
}

/** The newest reports of runs that `newest` lists: the newest `limit` of those before a run. */
export async function newestReports(
  state: string,
  options: Pick<ListOptions, 'limit' | 'before'>,
  newest: (limit: number, before: string | undefined) => Promise<readonly KeptReport[]>,
): Promise<Report[]> {
  const { limit } = options;
  const found: Report[] = [];
  let { before } = options;
  while (found.length < limit) {
    const wanted = limit - found.length;
    const runs = await newest(wanted, before);
    const reports = new Map<KeptReport, Report | undefined>();
    await each(runs, filesAtOnce, async (kept) => {
      reports.set(kept, await readKeptReport(state, kept));
    });
    for (const kept of runs) {
      const report = reports.get(kept);
      if (report !== undefined) found.push(report);
    }
    if (runs.length < wanted) break;
    before = runs.at(-1)?.run;
  }
  return found;
}

/** How many runs that changed nothing are kept, of one job or all, back to a run. Rejects with `io`. */
export async function countIdle(
  state: string,
  job: string | undefined,
  since = '',
): Promise<number> {
  let count = 0;
  await each(await jobFolders(state, job), foldersAtOnce, async (name) => {
    for (const file of await namesIn(jobReportsFolder(state, name))) {
      const named = namedReport(file);
      if (named?.idle === true && named.run > since) count++;
    }
  });
  return count;
}

/** Every run of which a report or a log is kept, by the names of the files; of one with a log alone the job is not known. */
export async function namesOfRuns(state: string): Promise<KnownRun[]> {
  const found: KnownRun[] = [];
  await each(await jobFolders(state, undefined), foldersAtOnce, async (job) => {
    for (const file of await namesIn(jobReportsFolder(state, job))) {
      const named = namedReport(file);
      if (named !== undefined) found.push({ run: named.run, job });
    }
  });
  const reported = new Set(found.map(({ run }) => run));
  return [...found, ...(await namesOfLogs(state)).filter(({ run }) => !reported.has(run))];
}

/** Every run of which a log is kept; its job is not known. */
export async function namesOfLogs(state: string): Promise<KnownRun[]> {
  const runs = (await namesIn(runLogsFolder(state))).map((file) => file.replace(/\.ndjson$/, ''));
  return runs.filter(isRunId).map((run) => ({ run }));
}

/** The report of a run of any job; undefined if none is kept or `run` is no run id. */
export async function readReport(state: string, run: string): Promise<Report | undefined> {
  if (runTime(run) === undefined) return undefined;
  for (const job of await jobFolders(state)) {
    const report = await readKeptReport(state, { run, job });
    if (report !== undefined) return report;
  }
  return undefined;
}

async function newestOf(
  state: string,
  jobs: readonly string[],
  {
    limit,
    before,
    idle,
  }: { readonly limit: number; readonly before: string | undefined; readonly idle: boolean },
): Promise<KeptReport[]> {
  let newest: KeptReport[] = [];
  await each(jobs, foldersAtOnce, async (job) => {
    const files = await namesIn(jobReportsFolder(state, job));
    const oldest = newest.length < limit ? '' : (newest.at(-1)?.run ?? '');
    const runs = files
      .map(namedReport)
      .filter((named) => named !== undefined && (idle || !named.idle))
      .map((named) => (named as NamedReport).run)
      .filter((run) => run > oldest && (before === undefined || run < before));
    if (runs.length === 0) return;
    newest = [...newest, ...runs.map((run) => ({ run, job }))].sort(byRun).slice(0, limit);
  });
  return newest;
}

function byRun(a: KeptReport, b: KeptReport): number {
  return a.run < b.run ? 1 : a.run > b.run ? -1 : 0;
}

/** The jobs that have reports, or the one with that name: a name from outside is never part of a path. */
async function jobFolders(state: string, job?: string): Promise<string[]> {
  const all = await namesIn(reportsFolder(state));
  return job === undefined ? all : all.filter((name) => name === job);
}

/** The names in a folder; none if it is missing or no folder. */
async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return [];
    throw new FerryError('io', `reports can't be listed: ${message}`, {
      path: folder,
      cause: error,
    });
  }
}
