/**
 * One run of one job, the sentence that everything else starts or watches:
 *
 *     scan both sides in step -> plan -> guard -> transfer -> report
 *
 * A dry run ends before `transfer`; the plan it prints is the very object that would be carried out.
 */
import { setMaxListeners } from 'node:events';
import { posix } from 'node:path';
import { FerryError } from '../../core/errors.js';
import type { Emit, Report, Trigger } from '../../core/events.js';
import { type Job, type Location, partsOf, type ScopeRules } from '../../core/job.js';
import { present } from '../../core/present.js';
import type { Remote } from '../../core/remote.js';
import { count, escapeText } from '../../core/text.js';
import { openSide } from '../../endpoints/open.js';
import type { SessionPool } from '../../endpoints/sftp/pool.js';
import type { Side, SideRole } from '../../endpoints/side.js';
import { Scope } from '../../jobs/plan/filter.js';
import { fileMatcher } from '../../jobs/plan/patterns.js';
import type { Plan } from '../../jobs/plan/plan.js';
import { type Settles, settlesFor, sortLeftovers } from './copy/leftovers.js';
import { contactOf, noteTimesAlone, refusalOf } from './judge-plan.js';
import { ownedSide } from './owned-side.js';
import { emitActions, emitPlan } from './plan-events.js';
import { planRules, reservedFolders } from './plan-rules.js';
import { ReadOnlyFolders } from './read-only-folders.js';
import { type Doubts, openDoubts } from './remembered/doubts.js';
import { type Origins, openOrigins } from './remembered/origins.js';
import { SeenLeftovers } from './remembered/seen-leftovers.js';
import { recallSides } from './remembered/server-facts.js';
import { recallQuirks } from './remembered/server-quirks.js';
import { openStoredTimes, type StoredTimes } from './remembered/stored-times.js';
import { reportOfRun } from './report.js';
import { SameNames } from './scan/same-names.js';
import { type Scan, scan } from './scan/scan.js';
import { Tally } from './tally.js';
import { bandwidthOf } from './transfer/bandwidth.js';
import { transfer } from './transfer/transfer.js';
import { Trash } from './trash/trash.js';
import { type WriterOptions, writersOf } from './writers.js';

/** Milliseconds between two progress events of the scan. */
const progressEveryMs = 200;

export interface RunContext extends WriterOptions {
  readonly run: string;
  readonly trigger: Trigger;
  /** The slot the run was started for, ISO 8601, UTC. */
  readonly slot?: string;
  /** Who asked for it. */
  readonly by?: string;
  /** The refused run whose plan somebody approved. */
  readonly approves?: string;
  /** The daemon's worker that carries out the run. */
  readonly worker?: string;
  /** The number of the attempt, from 1. */
  readonly attempt: number;
  /** Receives plan, file, progress and notice events, and the run event last. */
  readonly emit: Emit;
  /** Ends the run; the reason is a `Cancelled` if somebody stops it. */
  readonly signal: AbortSignal;
  readonly pool: SessionPool;
  /**
   * Limits the run to these folders below the source's root (`''` is the root): to the entries of
   * each, and below it to what the destination lacks. Such a run deletes nothing, so the guard does
   * not refuse it; a folder that does not exist or is out of scope is skipped silently.
   */
  readonly folders?: readonly string[];
  /** Whether the run is still this worker's; checked before each change. Absent: nobody can take it over. */
  readonly isOurs?: () => boolean;
  /** Whether each action of the plan is emitted, too. */
  readonly deepPlan?: boolean;
  /** Receives the plan after the guard has checked it. */
  readonly onPlan?: (plan: Plan, refusal: FerryError | undefined, target?: string) => Promise<void>;
  /** Whether somebody typed the limit of deletions for this very run: a yes to those of a first contact. */
  readonly deletionsApproved?: boolean;
  /** The command that runs the job once with one more flag, for messages; absent: `ferryline run JOB FLAG`. */
  readonly commandWith?: (flag: string) => string;
  /** Only the plan with this digest is carried out; `approved` lets it through even if the guard refuses it. */
  readonly sealed?: { readonly digest: string; readonly approved: boolean };
}

/** Runs a job. Never rejects: every error ends in the report. */
export async function runJob(job: Job, context: RunContext): Promise<Report> {
  const started = new Date();
  const tally = new Tally(context.emit);
  const remotes = remotesOf(job);
  const loginsBefore = context.pool.logins(remotes);
  const overtime = new AbortController();
  const timer =
    job.timeout === undefined
      ? undefined
      : setTimeout(() => overtime.abort(tooLong(job)), job.timeout);
  const signal = AbortSignal.any([context.signal, overtime.signal]);
  // every listing in flight may listen to it
  setMaxListeners(0, signal);
  let thrown: unknown;
  try {
    await carryOut(job, context, tally, signal, started.getTime());
  } catch (error) {
    thrown = signal.aborted ? signal.reason : error;
  } finally {
    clearTimeout(timer);
  }
  const report = reportOfRun(job, context, tally, {
    started,
    sessions: context.pool.logins(remotes) - loginsBefore,
    thrown,
  });
  context.emit({ event: 'run', ...report });
  return report;
}

async function carryOut(
  job: Job,
  context: RunContext,
  tally: Tally,
  signal: AbortSignal,
  start: number,
): Promise<void> {
  const { pool, state, emit } = context;
  const warn = (message: string | undefined) => {
    if (message !== undefined) emit({ event: 'notice', level: 'warning', message });
  };
  const opened: Side[] = [];
  let doubts: Doubts | undefined;
  let times: StoredTimes | undefined;
  let origins: Origins | undefined;
  let readOnly: ReadOnlyFolders | undefined;
  let isComplete = false;
  const keepQuirks = recallQuirks(state, remotesOf(job), pool, (message) =>
    emit({ event: 'notice', level: 'info', message }),
  );
  const open = async (location: Location, role: SideRole, ahead: boolean) => {
    const found = await openSide(location, role, pool, signal, ahead);
    const side = context.isOurs === undefined ? found : ownedSide(found, context.isOurs);
    opened.push(side);
    return side;
  };
  try {
    // a local source is opened first and listed while the destination connects
    const whole = context.folders === undefined;
    const isFirst = job.from.remote === undefined || job.to.mayBeFile === true;
    const early = isFirst ? await open(job.from, 'from', whole) : undefined;
    const isFile = job.to.mayBeFile === true && early?.only !== undefined;
    const found = await open(job.to, isFile ? 'file' : 'to', whole && !isFile);
    const source = early ?? (await open(job.from, 'from', whole));
    if (job.modes === 'source') readOnly = new ReadOnlyFolders(source.endpoint, found);
    const destination = readOnly?.side ?? found;
    const archive =
      job.after.kind === 'archive' ? await open(job.after.to, 'to', false) : undefined;
    if (!opened.every(({ isConfined }) => isConfined)) tally.notGuaranteed.add('confinement');
    refuseOverlap([job.from, source], [job.to, destination]);
    if (job.after.kind === 'archive' && archive !== undefined)
      refuseOverlap([job.from, source], [job.after.to, archive]);
    const facts = recallSides(job, source, destination, state);
    for (const { sentences } of facts)
      for (const message of sentences) emit({ event: 'notice', level: 'info', message });
    times = openStoredTimes(job, state);
    doubts = openDoubts(job, state);
    origins = openOrigins(job, state, !context.dryRun);
    const isLive = fileMatcher(job.live);
    const writers = await writersOf(job, context);
    const seen = SeenLeftovers.open(job, state);
    const sides = { source, destination, doubts, times, isLive, origins };
    const trash =
      job.trash === undefined
        ? undefined
        : new Trash(destination.endpoint, job.trash, context.run, signal);
    const sameNames = new SameNames({
      destination,
      ...present({ known: facts.at(-1)?.names }),
      ...(context.dryRun ? {} : { writer: writers.own }),
    });
    const settles = settlesFor(writers, seen, start);
    const toScan = { ...sides, sameNames, settles };
    const scanned = await scanSides(job, context, toScan, signal, start);
    // kept now: a sealed plan that is refused because of it can then be made anew
    if (!context.dryRun) await facts.at(-1)?.keep();
    const { plan } = scanned;
    const leftovers = sortLeftovers(scanned.leftovers, writers, settles);
    const wasWhole = whole && plan.failures.length === 0;
    if (!context.dryRun) await seen.keep(leftovers.others, wasWhole, start);
    if (context.deepPlan) emitActions(plan, emit);
    emitPlan(plan, emit);
    noteTimesAlone(job, context, plan, destination.endpoint.can);
    tally.unchanged = plan.unchanged;
    for (const { path, kind, message } of plan.skips) tally.skip(path, kind, message);
    for (const path of scanned.vanished) tally.vanish(path);
    const contact = contactOf(job, context, destination, scanned);
    const refusal = await refusalOf({ job, context, source, scanned, contact }, signal);
    await context.onPlan?.(plan, refusal, job.target);
    const { sealed } = context;
    if (sealed !== undefined && plan.digest !== sealed.digest)
      throw drifted(plan.digest, sealed.digest);
    if (refusal !== undefined && sealed?.approved !== true) throw refusal;
    for (const { path, kind, message } of [...plan.failures, ...plan.conflicts])
      tally.fail({ path, kind, message });
    if (context.dryRun) return;
    await archive?.makeRoot(signal);
    await transfer({
      run: context.run,
      job,
      plan,
      onlyFolders: context.folders !== undefined,
      ...sides,
      trash,
      pool,
      archive,
      tally,
      emit,
      signal,
      start,
      writer: writers.own,
      leftovers,
      isLive,
    });
    if (tally.failed === 0) await contact?.succeeded(context.run, signal).then(warn);
    noteTimes(times, destination, emit);
    facts.at(-1)?.learn(times, plan.unchanged);
    for (const side of facts) await side.keep();
    isComplete = wasWhole;
    await doubts?.checkSource(source.endpoint, signal);
  } finally {
    await keepQuirks();
    await readOnly?.giveBack();
    if (!context.dryRun) {
      const isOurs = context.isOurs?.() ?? true;
      await doubts?.close(isOurs);
      await times?.close(isOurs, isComplete);
      await origins?.close(isOurs);
    }
    await Promise.all(opened.map((side) => side.endpoint.close()));
  }
}

interface ScannedSides {
  readonly sameNames: SameNames;
  readonly source: Side;
  readonly destination: Side;
  readonly doubts: Doubts | undefined;
  readonly times: StoredTimes;
  readonly origins: Origins | undefined;
  readonly isLive: ((path: string) => boolean) | undefined;
  readonly settles: Settles;
}

function scanSides(
  job: Job,
  { emit, folders, pool, trigger }: RunContext,
  { source, destination, sameNames, doubts, times, origins, isLive, settles }: ScannedSides,
  signal: AbortSignal,
  start: number,
): Promise<Scan> {
  let emittedAt = 0;
  return scan({
    job: job.name,
    operation: job.operation,
    source: source.endpoint,
    destination: destination.endpoint,
    destinationMissing: destination.isMissing,
    only: source.only,
    ...present({ newName: destination.only }),
    ...present({ folders }),
    scope: Scope.of(
      scopeFor(job, trigger),
      start,
      reservedFolders(job),
      source.only !== undefined && destination.only !== undefined
        ? { from: source.only, to: destination.only }
        : undefined,
    ),
    rules: {
      ...planRules(job, source.endpoint.can, destination.endpoint.can),
      ...present({ doubts: doubts?.byPath, storedTimes: times.known }),
      settles,
    },
    sameNames,
    ...present({ isLive, origins }),
    passOf: bandwidthOf(job, pool, signal, () => {}),
    signal,
    onSame: (path, readAt) => doubts?.same(path, readAt),
    onProgress: (scanned) => {
      if (performance.now() - emittedAt < progressEveryMs) return;
      emittedAt = performance.now();
      emit({
        event: 'progress',
        phase: 'scan',
        scanned,
        files: { done: 0, total: 0 },
        bytes: { done: 0, total: 0 },
      });
    },
  });
}

/** Milliseconds by which a file's mtime and this process's clock may differ at the same moment. */
const clockToleranceMs = 20;

/** A watched job leaves files that a program may still be writing to its watch; a run started by hand copies them as they are. */
function scopeFor({ scope, settle, starts }: Job, trigger: Trigger): ScopeRules {
  return starts.watch === undefined || trigger === 'manual'
    ? scope
    : { ...scope, quiet: Math.max(0, settle - clockToleranceMs) };
}

/** Says what became of mtimes that were not stored as they were sent. */
function noteTimes({ noted }: StoredTimes, destination: Side, emit: Emit): void {
  const { otherwise, clamped } = noted;
  const where = escapeText(destination.endpoint.label);
  if (otherwise > clamped)
    emit({
      event: 'notice',
      level: 'info',
      message: `${where} stored another mtime than it was sent for ${count(otherwise - clamped, 'file')}; later runs compare with what it stored`,
    });
  if (clamped > 0)
    emit({
      event: 'notice',
      level: 'warning',
      message: `the mtimes of ${count(clamped, 'file')} are beyond what ${where} or SFTP can store; the nearest that they can was stored`,
    });
}

/** Refuses a root that contains the other one: the run would copy its own copies. Loading jobs.yml checks this too, but cannot see links. */
function refuseOverlap(...sides: readonly [Location, Side][]): void {
  const [from, to] = sides.map(([location]) => location) as [Location, Location];
  if (from.remote?.name !== to.remote?.name) return;
  const [a, b] = sides.map(
    ([, { endpoint, only = '' }]) => `${posix.join(endpoint.root, only)}/`,
  ) as [string, string];
  if (a.startsWith(b) || b.startsWith(a))
    throw new FerryError(
      'config',
      `${from.label} and ${to.label} overlap: one contains the other`,
      {
        hint: 'name two folders that do not contain each other',
      },
    );
}

/** The remotes a run of this job connects to, over all its targets, without jump hosts. */
export function remotesOf(job: Job): Remote[] {
  const all = partsOf(job).flatMap(({ from, to, after }) => {
    const archive = after.kind === 'archive' ? after.to.remote : undefined;
    return [from.remote, to.remote, archive].filter((remote) => remote !== undefined);
  });
  return [...new Set(all)];
}

export function drifted(now: string, digest: string): FerryError {
  const short = (text: string) => text.slice(0, 12);
  return new FerryError(
    'refused',
    `a side has changed since the plan was made: the plan is now ${short(now)}, not ${short(digest)}`,
    { hint: 'nothing was changed; make a new plan, check it, and apply that one' },
  );
}

export function tooLong(job: Job): FerryError {
  return new FerryError(
    'timeout',
    `the run took longer than its timeout of ${(job.timeout ?? 0) / 1000} s`,
    {
      hint: 'the files copied so far stay; run it again, or raise `timeout`',
    },
  );
}
