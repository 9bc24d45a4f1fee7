/** Reports of runs in STATE/runs/JOB/RUN.json: kept, listed, read. Making them is workers/run. */
import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { each } from '../core/at-once.js';
import { FerryError } from '../core/errors.js';
import type { Report } from '../core/events.js';
import { runTime } from '../core/run-id.js';

export interface ListOptions {
  /** Only this job's; absent: every job's that ever ran. */
  readonly job?: string;
  readonly limit: number;
  /** Only runs with a smaller id: what comes after a page that ended with this one. */
  readonly before?: string;
}

/** A report by what its place says, unread. */
interface Kept {
  readonly run: string;
  readonly job: string;
}

const foldersAtOnce = 16;

/**
 * Keeps a report, replacing an earlier one of the same run (its last attempt), and removes the
 * job's oldest beyond `history`; gives back the runs whose reports went, for what else is kept of
 * them. It stands whole or not at all. Not flushed to the disk: a power cut may cost the last
 * report, never anything else.
 */
export async function saveReport(
  state: string,
  report: Report,
  history: number,
): Promise<string[]> {
  const folder = join(state, 'runs', report.job);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const temporary = join(folder, `.${report.run}.${randomBytes(4).toString('hex')}`);
  await writeFile(temporary, `${JSON.stringify(report)}\n`, { mode: 0o600 });
  await rename(temporary, join(folder, `${report.run}.json`));
  const kept = (await readdir(folder)).map(runOfFile).filter((run) => run !== undefined);
  const removed = kept.sort().slice(0, Math.max(0, kept.length - history));
  for (const run of removed) await rm(join(folder, `${run}.json`), { force: true });
  return removed;
}

/** The run whose report a file's name says it is; undefined for any other file. */
function runOfFile(name: string): string | undefined {
  const run = name.endsWith('.json') ? name.slice(0, -5) : '';
  return runTime(run) === undefined ? undefined : run;
}

/**
 * The newest reports, newest first (ids sort by time). Names alone decide which files are read.
 * One that is no whole report, or another run's, is passed over. FerryError `io` if a folder can't
 * be read.
 */
export async function listReports(state: string, options: ListOptions): Promise<Report[]> {
  const { job, limit } = options;
  // compared, so that a name from outside is never part of a path
  const jobs = (await jobFolders(state)).filter((name) => job === undefined || name === job);
  const found: Report[] = [];
  let { before } = options;
  while (found.length < limit) {
    const wanted = limit - found.length;
    const newest = await newestOf(state, jobs, wanted, before);
    for (const kept of newest) {
      const report = await readKept(state, kept);
      if (report !== undefined) found.push(report);
    }
    if (newest.length < wanted) break;
    before = newest.at(-1)?.run;
  }
  return found;
}

/** The report of a run, whichever job's it is; undefined if none is kept, or for what is no run id. */
export async function readReport(state: string, run: string): Promise<Report | undefined> {
  if (runTime(run) === undefined) return undefined;
  for (const job of await jobFolders(state)) {
    const report = await readKept(state, { run, job });
    if (report !== undefined) return report;
  }
  return undefined;
}

async function newestOf(
  state: string,
  jobs: readonly string[],
  limit: number,
  before: string | undefined,
): Promise<Kept[]> {
  let newest: Kept[] = [];
  await each(jobs, foldersAtOnce, async (job) => {
    const files = await names(join(state, 'runs', job));
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

function byRun(a: Kept, b: Kept): number {
  return a.run < b.run ? 1 : a.run > b.run ? -1 : 0;
}

async function jobFolders(state: string): Promise<string[]> {
  return names(join(state, 'runs'));
}

/** What is in a folder; nothing if it is none. */
async function names(folder: string): Promise<string[]> {
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

async function readKept(state: string, { run, job }: Kept): Promise<Report | undefined> {
  try {
    const text = await readFile(join(state, 'runs', job, `${run}.json`), 'utf8');
    const value: unknown = JSON.parse(text);
    return isReportOf(value, run, job) ? value : undefined;
  } catch {
    return undefined; // removed meanwhile, cut off, or not ours
  }
}

/** Whether a file holds what its name says; its fields beyond that are taken on trust. */
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
