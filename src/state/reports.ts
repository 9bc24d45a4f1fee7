/** Reports of runs in STATE/runs/JOB/RUN.json: saved, listed, read. workers/run makes them. */
import { readdir, readFile, rm } from 'node:fs/promises';
import { each } from '../core/at-once.js';
import { FerryError } from '../core/errors.js';
import type { Report } from '../core/events.js';
import type { Job } from '../core/job.js';
import { runTime } from '../core/run-id.js';
import { jobReportsFolder, reportFile, reportsFolder } from './layout.js';
import { writeWhole } from './write-whole.js';

export interface ListOptions {
  /** Only runs of this job; absent: of every job that ever ran. */
  readonly job?: string;
  readonly limit: number;
  /** Only runs with a smaller id: the page that follows one that ended with this run. */
  readonly before?: string;
}

/** What a report's path says of it. */
interface KeptReport {
  readonly run: string;
  readonly job: string;
}

const foldersAtOnce = 16;

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
  await writeWhole(reportFile(state, job, run), `${JSON.stringify(report)}\n`);
  const kept = (await readdir(jobReportsFolder(state, job)))
    .map(runOfFile)
    .filter((run) => run !== undefined);
  const removed =
    'count' in history
      ? kept.sort().slice(0, Math.max(0, kept.length - history.count))
      : kept.filter((old) => (runTime(old) ?? 0) < (runTime(run) ?? 0) - history.ms);
  for (const old of removed) await rm(reportFile(state, job, old), { force: true });
  return removed;
}

/** The run that a report's file is named for; undefined for any other file. */
function runOfFile(name: string): string | undefined {
  const run = name.endsWith('.json') ? name.slice(0, -5) : '';
  return runTime(run) === undefined ? undefined : run;
}

/**
 * The newest reports, newest first (ids sort by time). Only the files that their names put among
 * the newest are read. A file that is no whole report, or another run's, is passed over. Rejects
 * with `io` if a folder can't be read.
 */
export async function listReports(state: string, options: ListOptions): Promise<Report[]> {
  const { job, limit } = options;
  // Compared with the folders there are: a name from outside is never part of a path.
  const jobs = (await jobFolders(state)).filter((name) => job === undefined || name === job);
  const found: Report[] = [];
  let { before } = options;
  while (found.length < limit) {
    const wanted = limit - found.length;
    const newest = await newestOf(state, jobs, wanted, before);
    for (const kept of newest) {
      const report = await readKeptReport(state, kept);
      if (report !== undefined) found.push(report);
    }
    if (newest.length < wanted) break;
    before = newest.at(-1)?.run;
  }
  return found;
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
  limit: number,
  before: string | undefined,
): Promise<KeptReport[]> {
  let newest: KeptReport[] = [];
  await each(jobs, foldersAtOnce, async (job) => {
    const files = await namesIn(jobReportsFolder(state, job));
    const oldest = newest.length < limit ? '' : (newest.at(-1)?.run ?? '');
    const runs = files
      .map(runOfFile)
      .filter((run) => run !== undefined)
      .filter((run) => run > oldest && (before === undefined || run < before));
    if (runs.length === 0) return;
    newest = [...newest, ...runs.map((run) => ({ run, job }))].sort(byRun).slice(0, limit);
  });
  return newest;
}

function byRun(a: KeptReport, b: KeptReport): number {
  return a.run < b.run ? 1 : a.run > b.run ? -1 : 0;
}

async function jobFolders(state: string): Promise<string[]> {
  return namesIn(reportsFolder(state));
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

async function readKeptReport(
  state: string,
  { run, job }: KeptReport,
): Promise<Report | undefined> {
  try {
    const text = await readFile(reportFile(state, job, run), 'utf8');
    const value: unknown = JSON.parse(text);
    return isReportOf(value, run, job) ? value : undefined;
  } catch {
    return undefined; // removed meanwhile, truncated, or not ours
  }
}

/** Whether a file holds the report its name promises; other fields are not checked. */
function isReportOf(value: unknown, run: string, job: string): value is Report {
  if (typeof value !== 'object' || value === null) return false;
  const report = value as Partial<Report>;
  return (
    report.run === run &&
    report.job === job &&
    typeof report.outcome === 'string' &&
    typeof report.startedAt === 'string' &&
    typeof report.endedAt === 'string' &&
    typeof report.files === 'object'
  );
}
