/**
 * The state folder that earlier versions shared among all jobs.yml of a user, and its migration: what
 * belongs to the jobs of one jobs.yml moves to the folder of that jobs.yml, the rest stays for others.
 *
 * Reports and logs of its jobs, the embedded queue and the transfer log move. Pauses and handled slots
 * are copied by job; doubts and server facts are copied whole, since each names what it is about. A
 * migration that is killed goes on with the next one: nothing is removed before it is in its new place.
 */
import { copyFile, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { FerryError } from '../core/errors.js';
import { escapeText } from '../core/text.js';
import {
  doubtsFolder,
  handledSlotsFile,
  jobReportsFolder,
  pausesFile,
  queueFolder,
  reportsFolder,
  runLogsFolder,
  serverFactsFolder,
  transferLogFile,
} from './layout.js';
import { acquireDaemonLock, anyHolderOf, type Lock } from './lock.js';
import { makeFolder } from './make-folder.js';
import { writeWhole } from './write-whole.js';

export interface Migration {
  /** The folder that was shared. */
  readonly from: string;
  readonly to: string;
  /** Whether a job belongs to the jobs.yml whose folder is `to`. */
  readonly isOurs: (job: string) => boolean;
  /** Whether a job is one of ad hoc runs, which belong to no jobs.yml. */
  readonly isAdHoc: (job: string) => boolean;
  /** Whether `to` may have a daemon, to which the queue belongs. */
  readonly mayHaveDaemon: boolean;
}

/** Whether an earlier version left state directly in this folder. */
export async function holdsState(shared: string): Promise<boolean> {
  for (const part of partsOf(shared)) if (await exists(part)) return true;
  return false;
}

function partsOf(shared: string): string[] {
  return [
    reportsFolder(shared),
    queueFolder(shared),
    pausesFile(shared),
    handledSlotsFile(shared),
    doubtsFolder(shared),
    serverFactsFolder(shared),
  ];
}

/** Another migration takes moments; a process that holds the lock for longer is a daemon. */
const lockWithinMs = 5000;

/**
 * Moves what belongs to one jobs.yml; resolves to the number of runs that moved with their reports,
 * and whether a queue was left behind. Errors: `busy` while a process of an earlier version works in
 * the shared folder, and the system's.
 */
export async function migrateShared(
  migration: Migration,
): Promise<{ readonly runs: number; readonly queueStays: boolean }> {
  const { from } = migration;
  const lock = await lockShared(from);
  try {
    return await move(migration);
  } finally {
    await lock.release();
  }
}

async function lockShared(from: string): Promise<Lock> {
  const until = performance.now() + lockWithinMs;
  for (;;) {
    const holder = await anyHolderOf(from);
    if (holder === undefined) {
      const lock = await acquireDaemonLock(from).catch(unlessBusy);
      if (lock !== undefined) return lock;
    }
    if (performance.now() > until) {
      throw new FerryError(
        'busy',
        `process ${holder ?? 'unknown'} of an earlier version works in the state folder ${escapeText(from)}`,
        { hint: 'stop that process; what belongs to this jobs.yml then moves to its own folder' },
      );
    }
    await sleep(50);
  }
}

function unlessBusy(error: unknown): undefined {
  if (error instanceof FerryError && error.kind === 'busy') return undefined;
  throw error;
}

async function move(migration: Migration) {
  const { from, to, isOurs, isAdHoc } = migration;
  const jobs = await namesIn(reportsFolder(from));
  const others = jobs.filter((job) => !isOurs(job));
  const otherJobs = others.filter((job) => !isAdHoc(job));
  const ourRuns = new Set<string>();
  for (const job of jobs.filter(isOurs))
    for (const name of await namesIn(jobReportsFolder(from, job)))
      ourRuns.add(name.replace(/\.json$/, ''));

  await copyFolder(doubtsFolder(from), doubtsFolder(to));
  await copyFolder(serverFactsFolder(from), serverFactsFolder(to));
  const daemonJobs = [
    ...(await copyEntries(pausesFile(from), pausesFile(to), isOurs)),
    ...(await copyEntries(handledSlotsFile(from), handledSlotsFile(to), isOurs)),
  ];
  // Before the reports, which say whose logs they are.
  for (const log of await namesIn(runLogsFolder(from)))
    if (ourRuns.has(log.replace(/\.ndjson$/, '')) || others.length === 0)
      await moveFile(join(runLogsFolder(from), log), join(runLogsFolder(to), log));
  let runs = 0;
  for (const job of jobs.filter(isOurs)) {
    const reports = await namesIn(jobReportsFolder(from, job));
    for (const name of reports)
      await moveFile(
        join(jobReportsFolder(from, job), name),
        join(jobReportsFolder(to, job), name),
      );
    runs += reports.length;
    await rm(jobReportsFolder(from, job), { recursive: true, force: true });
  }
  // A daemon's queue belongs to the jobs.yml whose jobs it scheduled and paused.
  const isOurQueue =
    daemonJobs.length > 0 ? daemonJobs.some(isOurs) : otherJobs.length === 0 && jobs.some(isOurs);
  const takesQueue = migration.mayHaveDaemon && isOurQueue;
  const queueStays = !takesQueue && (await exists(queueFolder(from)));
  if (takesQueue) await moveFile(queueFolder(from), queueFolder(to));
  if (otherJobs.length === 0 && !queueStays) await moveTransferLogs(from, to);
  if (others.length === 0 && !queueStays)
    for (const part of partsOf(from)) await rm(part, { recursive: true, force: true });
  return { runs, queueStays };
}

async function moveTransferLogs(from: string, to: string): Promise<void> {
  const last = transferLogFile(from);
  const logs = (await namesIn(dirname(last))).filter((name) =>
    /^transfers\.log(\.\d+)?$/.test(name),
  );
  for (const log of logs) await moveFile(join(from, log), join(dirname(transferLogFile(to)), log));
}

/** Copies the entries of a file of JSON that belong to our jobs, unless the file exists there already; resolves to the names of all. */
async function copyEntries(
  from: string,
  to: string,
  isOurs: (job: string) => boolean,
): Promise<string[]> {
  let entries: [string, unknown][] = [];
  try {
    entries = Object.entries(JSON.parse(await readFile(from, 'utf8')) as object);
  } catch (error) {
    if (!(error instanceof SyntaxError || (error as NodeJS.ErrnoException).code === 'ENOENT'))
      throw error;
  }
  const ours = entries.filter(([job]) => isOurs(job));
  if (ours.length > 0 && !(await exists(to)))
    await writeWhole(to, `${JSON.stringify(Object.fromEntries(ours))}\n`);
  return entries.map(([job]) => job);
}

async function copyFolder(from: string, to: string): Promise<void> {
  const names = await namesIn(from);
  if (names.length === 0) return;
  await makeFolder(to);
  for (const name of names)
    if (!(await exists(join(to, name)))) await copyFile(join(from, name), join(to, name));
}

/** Moves a file or folder, if it exists. */
async function moveFile(from: string, to: string): Promise<void> {
  if (!(await exists(from))) return;
  await makeFolder(dirname(to));
  await rename(from, to);
}

async function namesIn(folder: string): Promise<string[]> {
  return readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return [];
    throw error;
  });
}

function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
