/** `ferryline restore JOB [PATH…]`: lists the trash of a job's destination, and brings files back from it. */
import { asFerryError, Cancelled, exitCodes, FerryError } from '../../core/errors.js';
import { type Job, partsOf, type TrashRules } from '../../core/job.js';
import { present } from '../../core/present.js';
import { newRunId } from '../../core/run-id.js';
import { count, escapeText, formatBytes, terminalSafe } from '../../core/text.js';
import { openSide } from '../../endpoints/open.js';
import type { SessionPool } from '../../endpoints/sftp/pool.js';
import { parseLocation } from '../../jobs/config/location.js';
import { didYouMean } from '../../jobs/config/problems.js';
import { Patterns } from '../../jobs/plan/patterns.js';
import { acquireJobLock } from '../../state/lock.js';
import { ownedSide } from '../../workers/run/owned-side.js';
import { openOrigins } from '../../workers/run/remembered/origins.js';
import { Tally } from '../../workers/run/tally.js';
import { bandwidthOf, limitProcess } from '../../workers/run/transfer/bandwidth.js';
import { listTrash, newestOfEach, type Trashed } from '../../workers/run/trash/list-trash.js';
import { restore as bringBack } from '../../workers/run/trash/restore.js';
import { writersOf } from '../../workers/run/writers.js';
import { jobNamed, readConfig } from '../config-file.js';
import type { Context } from '../context.js';
import { openPool } from '../run-jobs.js';
import { type HeldPermits, openRunPermits, type RunPermits } from '../run-permits.js';
import { fileLine } from '../show/summary.js';
import { localTime, tableLines } from '../show/table.js';
import { useState } from '../state.js';

export interface RestoreFlags {
  /** Only what this run has deleted or replaced: its id, or a beginning of it. */
  readonly run?: string;
  /** Which of several targets. */
  readonly target?: string;
  readonly to?: string;
  readonly force?: boolean;
  readonly dryRun?: boolean;
  /** Without the queue's permits. */
  readonly alone?: boolean;
}

/** What the parts of this command share. */
interface RestoreSession {
  /** The job, or one part of it. */
  readonly job: Job;
  readonly trash: TrashRules;
  readonly flags: RestoreFlags;
  readonly pool: SessionPool;
  readonly context: Context;
  /** What the queue has given for it, as for a run. */
  readonly held?: HeldPermits | undefined;
  /** The state folder; absent if nothing is changed. */
  readonly state?: string | undefined;
}

export async function restore(
  name: string,
  paths: readonly string[],
  flags: RestoreFlags,
  context: Context,
): Promise<number> {
  const config = await readConfig(context);
  const job = jobNamed(config, name);
  const { trash } = job;
  if (trash === undefined)
    throw new FerryError('config', `job ${job.name} has no trash`, {
      hint: 'set `trash: true`, so that what its runs delete and replace is kept from then on',
    });
  if (paths.length === 0 && (flags.to !== undefined || flags.force === true))
    throw new FerryError('config', 'restore needs the paths to bring back', {
      hint: `\`ferryline restore ${job.name}\` lists them; \`/\` means all`,
    });
  const parts = partsMeant(job, flags.target);
  if (paths.length > 0) onePart(job, parts);
  const changes = paths.length > 0 && flags.dryRun !== true;
  const state = changes ? await useState(context, config) : undefined;
  const lock = state === undefined ? undefined : await acquireJobLock(state, job.name);
  const pool = openPool(context);
  limitProcess(pool, config.bandwidth);
  const session = { trash, flags, pool, context };
  let permits: RunPermits | undefined;
  let held: HeldPermits | undefined;
  try {
    if (paths.length === 0) return await list(parts, session);
    const part = onePart(job, parts);
    if (state !== undefined && flags.alone !== true)
      permits = await openRunPermits({ config, state, ofConfig: true, pool }, context);
    held = await permits?.hold(part, context.stopSignal());
    return await restorePaths(paths, { ...session, job: part, held, state });
  } finally {
    await held?.release();
    await permits?.close();
    await pool.leave();
    await lock?.release();
  }
}

/** The parts of a job with several targets, or the one that was named; else the job. Errors: `config`. */
function partsMeant(job: Job, target: string | undefined): readonly Job[] {
  const parts = partsOf(job);
  if (target === undefined) return parts;
  const found = parts.filter((part) => part.target === target);
  if (found.length > 0) return found;
  const names = parts.flatMap((part) => part.target ?? []);
  throw new FerryError(
    'config',
    `job ${job.name} has no target "${escapeText(target)}"${didYouMean(target, names)}`,
    { hint: targetsHint(names) },
  );
}

function onePart(job: Job, parts: readonly Job[]): Job {
  const [part, ...more] = parts;
  if (part !== undefined && more.length === 0) return part;
  const names = parts.flatMap(({ target }) => target ?? []);
  throw new FerryError('config', `job ${job.name} has several targets, each with a trash`, {
    hint: `name one with --target; ${targetsHint(names)}`,
  });
}

function targetsHint(names: readonly string[]): string {
  return names.length === 0 ? 'it has only one target' : `its targets are ${names.join(', ')}`;
}

/** A file in the trash, and the job's part whose target that is. */
interface Listed extends Trashed {
  readonly job: Job;
}

async function list(
  parts: readonly Job[],
  { trash, flags, pool, context }: Omit<RestoreSession, 'job'>,
): Promise<number> {
  const { output } = context;
  const signal = context.stopSignal();
  const all: Listed[] = [];
  const seen = new Set<string>();
  for (const job of parts) {
    const { endpoint } = await openSide(job.to, 'to', pool, signal);
    const place = `${job.to.remote?.name} ${endpoint.root}`;
    if (seen.has(place)) continue; // several parts write to one folder
    seen.add(place);
    for (const entry of await listTrash(endpoint, trash.dir, signal)) all.push({ ...entry, job });
  }
  const found = entriesOf(all, flags.run);
  const several = parts.length > 1;
  const time = new Date().toISOString();
  if (output.json) {
    for (const { job, run, time: at, path, stat } of found)
      output.record({
        ...{ event: 'trash', time, job: job.name, ...present({ target: job.target }) },
        ...{ run, at: new Date(at).toISOString() },
        ...{ kind: stat.kind, size: stat.size, mtime: stat.mtime, path },
      });
    return 0;
  }
  if (found.length === 0) {
    const where = parts.map(({ to }) => escapeText(to.label)).join(', ');
    output.note(`the trash of ${parts[0]?.name} (${where}) is empty`);
    return 0;
  }
  const now = new Date();
  const rows = found.map(({ job, run, time: at, path, stat }) => [
    ...(several ? [job.target ?? ''] : []),
    run,
    localTime(new Date(at).toISOString(), now),
    stat.kind === 'link' ? 'link' : stat.size === undefined ? '?' : formatBytes(stat.size),
    escapeText(path),
  ]);
  const head = [...(several ? ['TARGET'] : []), 'RUN', 'TIME', 'SIZE', 'PATH'];
  for (const line of tableLines([head, ...rows])) output.data(line);
  return 0;
}

async function restorePaths(paths: readonly string[], session: RestoreSession): Promise<number> {
  const { job, trash, flags, pool, context, held, state } = session;
  const { output } = context;
  const stop = context.stopSignal();
  const signal = held === undefined ? stop : AbortSignal.any([stop, held.lost]);
  const start = Date.now();
  const found = await openSide(job.to, 'to', pool, signal);
  const side = held === undefined ? found : ownedSide(found, () => held.isOurs());
  const all = entriesOf(await listTrash(side.endpoint, trash.dir, signal), flags.run);
  const entries = selected(newestOfEach(all), paths, job);
  const target = flags.to === undefined ? side : await openLocalTarget(flags.to, pool, context);
  const tally = new Tally((event) => {
    if (event.event !== 'file') return;
    if (output.json) output.record({ ...event, time: new Date().toISOString() });
    else if (event.action === 'fail')
      output.alert(
        `${output.style.red('error:')} ${escapeText(event.path)}: ${terminalSafe(event.message ?? '')}`,
      );
    else if (output.verbosity >= 1) output.note(fileLine(event));
  });
  let thrown: unknown;
  if (state === undefined)
    for (const { path, stat } of entries)
      if (output.json) tally.file('copy', path, { bytes: stat.size ?? 0 });
      else output.data(`restore   ${escapeText(path)}  (${formatBytes(stat.size ?? 0)})`);
  else
    try {
      await target.makeRoot(signal);
      const installation = held?.installation;
      // what is brought back is not what a run copied there
      if (target === side) await forgetOrigins(job, state, entries);
      const { own } = await writersOf(job, { state, installation, dryRun: false });
      await bringBack({
        ...{ job, writer: own, run: newRunId(start), start, from: side.endpoint, trash },
        ...{ to: target.endpoint, entries, force: flags.force === true, tally, signal },
        pass: bandwidthOf(job, pool, signal, () => {}),
      });
    } catch (error) {
      thrown = signal.aborted ? signal.reason : error;
    }
  return end(tally, thrown, session);
}

/** Forgets from which files of the source the destination's were copied that are brought back. */
async function forgetOrigins(job: Job, state: string, entries: readonly Trashed[]): Promise<void> {
  const origins = openOrigins(job, state, true);
  origins?.open();
  await origins?.forget(entries.map(({ path }) => path));
  await origins?.close(true);
}

/** The entries of one run, if one is named. Errors: `config` for a run that the trash does not have. */
function entriesOf<T extends Trashed>(all: readonly T[], run: string | undefined): readonly T[] {
  if (run === undefined) return all;
  const runs = [...new Set(all.map((entry) => entry.run))].sort().reverse();
  const wanted = run === 'latest' ? runs.slice(0, 1) : runs.filter((id) => id.startsWith(run));
  const [one] = wanted;
  if (wanted.length === 1) return all.filter((entry) => entry.run === one);
  throw new FerryError(
    'config',
    wanted.length === 0
      ? `the trash has nothing of run "${escapeText(run)}"${didYouMean(run, runs)}`
      : `"${escapeText(run)}" is the beginning of ${count(wanted.length, 'run')}`,
    { hint: 'without PATH, `ferryline restore JOB` lists what is there' },
  );
}

/** What the paths name: a file, all below a folder, or what a pattern matches. Errors: `config` for a path that names nothing. */
function selected(entries: readonly Trashed[], paths: readonly string[], job: Job): Trashed[] {
  const wanted = new Set<Trashed>();
  for (const given of paths) {
    const path = given.replace(/^(?:\.?\/+)+/, '').replace(/\/+$/, '');
    const found = entries.filter(
      (entry) =>
        path === '' || path === '.' || entry.path === path || entry.path.startsWith(`${path}/`),
    );
    if (found.length === 0 && /[*?[]/.test(given)) {
      const patterns = new Patterns([given.replace(/^\.\//, '/')]);
      found.push(
        ...entries.filter((entry) => patterns.match(entry.path, false).verdict === 'excluded'),
      );
    }
    if (found.length === 0)
      throw new FerryError(
        'config',
        `"${escapeText(given)}" is not in the trash of ${job.name}${didYouMean(
          path,
          entries.map((entry) => entry.path),
        )}`,
        { hint: `nothing was restored; \`ferryline restore ${job.name}\` lists what is there` },
      );
    for (const entry of found) wanted.add(entry);
  }
  return [...wanted];
}

/** The local folder of `--to`, which is made if it is missing. */
async function openLocalTarget(text: string, pool: SessionPool, context: Context) {
  const { cwd, home } = context.environment;
  const found = parseLocation(/^[./~]/.test(text) ? text : `./${text}`, {
    folder: cwd,
    home,
    remotes: new Map(),
  });
  if (typeof found !== 'object')
    throw new FerryError('config', `--to ${escapeText(text)} ${found ?? 'is no local folder'}`);
  return openSide(found, 'to', pool, context.stopSignal());
}

/** Prints the result, and returns the exit code. */
function end(tally: Tally, thrown: unknown, { job, flags, context }: RestoreSession): number {
  const { output } = context;
  const error =
    thrown === undefined || thrown instanceof Cancelled ? undefined : asFerryError(thrown);
  const exitCode =
    thrown instanceof Cancelled
      ? thrown.exitCode
      : error !== undefined
        ? exitCodes[error.kind]
        : tally.failed > 0
          ? exitCodes.io
          : 0;
  const { copied: restored, unchanged, failed, bytes, failures } = tally;
  if (output.json) {
    const { message, kind, hint } = error ?? {};
    output.record({
      ...{ event: 'restore', time: new Date().toISOString(), job: job.name, exitCode },
      ...{ restored, unchanged, failed, bytes, failures },
      ...(flags.dryRun === true ? { dryRun: true } : {}),
      ...(error === undefined ? {} : { error: { kind, message, hint } }),
    });
    return exitCode;
  }
  if (error !== undefined) output.error(error);
  if (flags.dryRun === true) return exitCode;
  const parts = [`${count(restored, 'file')} restored (${formatBytes(bytes)})`];
  if (unchanged > 0) parts.push(`${unchanged} there already`);
  if (failed > 0) parts.push(`${failed} failed`);
  output.note(`${job.name}: ${parts.join(', ')}; the trash keeps its copy`);
  if (restored > 0 && flags.to === undefined)
    output.note(
      'next: change the source, too; otherwise the next run replaces or deletes it here again',
    );
  return exitCode;
}
