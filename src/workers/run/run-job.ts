/**
 * One run of one job, the sentence everything else starts or watches:
 *
 *     scan both sides in step -> plan -> guard -> transfer -> report
 *
 * A dry run ends before `transfer`; the plan it prints is the very object that would be carried out.
 */
import { setMaxListeners } from 'node:events';
import { nameOf } from '../../core/entry.js';
import { FerryError } from '../../core/errors.js';
import type { Emit, Report, Trigger } from '../../core/events.js';
import type { Job, Location, ScopeRules } from '../../core/job.js';
import type { Remote } from '../../core/remote.js';
import { openSide } from '../../endpoints/open.js';
import type { SessionPool } from '../../endpoints/sftp/pool.js';
import type { Side } from '../../endpoints/side.js';
import { Scope } from '../../jobs/plan/filter.js';
import { guard } from '../../jobs/plan/guard.js';
import type { Plan } from '../../jobs/plan/plan.js';
import { reapOld, recoverAside } from './copy/leftovers.js';
import { readTemporary } from './copy/temporary-names.js';
import { ownedSide } from './owned-side.js';
import { emitActions, emitPlan } from './plan-events.js';
import { planRules, reservedFolders } from './plan-rules.js';
import { type Doubts, openDoubts } from './remembered/doubts.js';
import { recallFacts } from './remembered/server-facts.js';
import { endOf } from './report.js';
import { type Scan, scan } from './scan/scan.js';
import { Tally } from './tally.js';
import { transfer } from './transfer/transfer.js';

export interface RunContext {
  readonly run: string;
  readonly trigger: Trigger;
  /** The slot it was started for, ISO 8601, UTC. */
  readonly slot?: string;
  /** The daemon's worker that carries it out. */
  readonly worker?: string;
  /** 1 for the first. */
  readonly attempt: number;
  /** Receives plan, file, progress and notice events, and the run event last. */
  readonly emit: Emit;
  /** Its reason is a `Cancelled` when somebody stops the run. */
  readonly signal: AbortSignal;
  readonly pool: SessionPool;
  /** The state folder. */
  readonly state: string;
  readonly dryRun: boolean;
  /**
   * Folders below the source's root (`''` is the root) that alone are looked at, on both sides:
   * each one's own entries, and below it what the destination lacks. Such a run deletes nothing,
   * so nothing is refused either; what is not there, or out of scope, is passed over in silence.
   */
  readonly folders?: readonly string[];
  /** Whether the run is still this worker's, asked before each change; absent: nobody can take it over. */
  readonly isOurs?: () => boolean;
  /** Whether each action of the plan is told, too. */
  readonly deepPlan?: boolean;
  /** Receives the plan once the guard has spoken. */
  readonly onPlan?: (plan: Plan, refusal: FerryError | undefined) => Promise<void>;
  /** Only the plan with this digest is carried out; `approved` is the operator's yes to one that the guard refuses. */
  readonly sealed?: { readonly digest: string; readonly approved: boolean };
}

/** Runs a job. Never rejects: everything ends in the report. */
export async function runJob(job: Job, context: RunContext): Promise<Report> {
  const started = new Date();
  const tally = new Tally(context.emit);
  const remotes = remotesOf(job);
  const loginsBefore = context.pool.logins(remotes);
  const late = new AbortController();
  const timer =
    job.timeout === undefined ? undefined : setTimeout(() => late.abort(tooLong(job)), job.timeout);
  const signal = AbortSignal.any([context.signal, late.signal]);
  // every folder that is listed may listen to it
  setMaxListeners(0, signal);
  let thrown: unknown;
  try {
    await carryOut(job, context, tally, signal, started.getTime());
  } catch (error) {
    thrown = signal.aborted ? signal.reason : error;
  } finally {
    clearTimeout(timer);
  }
  const ended = new Date();
  const end = thrown === undefined ? endOfTally(tally) : endOf(thrown);
  const report: Report = {
    run: context.run,
    job: job.name,
    operation: job.operation,
    trigger: context.trigger,
    ...(context.slot === undefined ? {} : { slot: context.slot }),
    ...(context.worker === undefined ? {} : { worker: context.worker }),
    ...end,
    startedAt: started.toISOString(),
    endedAt: ended.toISOString(),
    seconds: (ended.getTime() - started.getTime()) / 1000,
    files: {
      copied: tally.copied,
      attrs: tally.attrs,
      deleted: tally.deleted,
      unchanged: tally.unchanged,
      skipped: tally.skipped,
      failed: tally.failed,
    },
    bytes: tally.bytes,
    sessions: context.pool.logins(remotes) - loginsBefore,
    attempt: context.attempt,
    verified: tally.verified ?? job.verify,
    failures: tally.failures,
    failuresOmitted: tally.failed - tally.failures.length,
  };
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
  const opened: Side[] = [];
  let doubts: Doubts | undefined;
  const open = async (place: Location, role: 'from' | 'to', ahead: boolean) => {
    const found = await openSide(place, role, pool, signal, ahead);
    const side = context.isOurs === undefined ? found : ownedSide(found, context.isOurs);
    opened.push(side);
    return side;
  };
  try {
    // a local side is opened first and listed while the other one connects
    const whole = context.folders === undefined;
    const early = job.from.remote === undefined ? await open(job.from, 'from', whole) : undefined;
    const destination = await open(job.to, 'to', whole);
    const source = early ?? (await open(job.from, 'from', whole));
    const archive =
      job.after.kind === 'archive' ? await open(job.after.to, 'to', false) : undefined;
    refuseOverlap(job, source, destination);
    const keepLearnt = await recallSides(job, source, destination, state);
    doubts = await openDoubts(job, state);
    const sides = { source, destination, doubts };
    let scanned = await look(job, context, sides, signal, start);
    if (!context.dryRun && (await recoverAside(destination.endpoint, scanned.leftovers, signal)))
      scanned = await look(job, context, sides, signal, start);
    const { plan } = scanned;
    if (context.deepPlan) emitActions(plan, emit);
    emitPlan(plan, emit);
    tally.unchanged = plan.unchanged;
    for (const { path, kind, message } of plan.skips) tally.skip(path, kind, message);
    const refusal =
      context.folders === undefined
        ? guard(plan, job.delete, await factsFor(job, source, scanned, signal))
        : undefined;
    await context.onPlan?.(plan, refusal);
    const { sealed } = context;
    if (sealed !== undefined && plan.digest !== sealed.digest) throw drifted(plan, sealed.digest);
    if (refusal !== undefined && sealed?.approved !== true) throw refusal;
    for (const problem of [...plan.failures, ...plan.conflicts]) tally.fail(problem);
    if (context.dryRun) return;
    await archive?.makeRoot(signal);
    await transfer({
      run: context.run,
      job,
      plan,
      onlyFolders: context.folders !== undefined,
      ...sides,
      pool,
      archive: archive?.endpoint,
      tally,
      emit,
      signal,
      start,
      leftovers: byMark(scanned.leftovers),
    });
    for (const keep of keepLearnt) await keep();
    await reapOld(destination.endpoint, scanned.leftovers, start, signal);
    await doubts?.lookAgain(source.endpoint, signal);
  } finally {
    if (!context.dryRun) await doubts?.close(context.isOurs?.() ?? true);
    await Promise.all(opened.map((side) => side.endpoint.close()));
  }
}

function look(
  job: Job,
  { emit, folders, trigger }: RunContext,
  { source, destination, doubts }: { source: Side; destination: Side; doubts: Doubts | undefined },
  signal: AbortSignal,
  start: number,
): Promise<Scan> {
  let told = 0;
  return scan({
    job: job.name,
    operation: job.operation,
    source: source.endpoint,
    destination: destination.endpoint,
    only: source.only,
    ...(folders === undefined ? {} : { folders }),
    scope: Scope.of(scopeFor(job, trigger), start, reservedFolders(job)),
    rules: {
      ...planRules(job, source.endpoint.can, destination.endpoint.can),
      ...(doubts === undefined ? {} : { doubts: doubts.byPath }),
    },
    signal,
    onSame: (path, readAt) => doubts?.same(path, readAt),
    onProgress: (scanned) => {
      if (performance.now() - told < 200) return;
      told = performance.now();
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

/** Milliseconds by which a file's time and this process's clock may disagree on the same moment. */
const coarse = 20;

/** Whoever runs a job by hand means the files as they are; in all other runs of a watched job, one that may still be being written is left to the watcher. */
function scopeFor({ scope, starts }: Job, trigger: Trigger): ScopeRules {
  return starts.watch === undefined || trigger === 'manual'
    ? scope
    : { ...scope, quiet: Math.max(0, starts.watch.settle - coarse) };
}

async function factsFor(job: Job, source: Side, scanned: Scan, signal: AbortSignal) {
  const { require } = job.delete;
  const requirePresent =
    require === undefined ||
    !scanned.sourceExists ||
    (await source.endpoint.stat(require, signal)) !== undefined;
  return { sourceExists: scanned.sourceExists, requirePresent };
}

/** What comes back keeps what has been learnt since. */
async function recallSides(job: Job, source: Side, destination: Side, state: string) {
  const keep: (() => Promise<void>)[] = [];
  for (const [{ remote }, side] of [[job.from, source] as const, [job.to, destination] as const])
    if (remote !== undefined) keep.push(await recallFacts(state, remote, side.endpoint.can));
  return keep;
}

/** Roots that lie in each other would make a run feed on itself. jobs.yml is checked for it; links only show now. */
function refuseOverlap(job: Job, source: Side, destination: Side): void {
  if (job.from.remote?.name !== job.to.remote?.name) return;
  const [a, b] = [source.endpoint.root, destination.endpoint.root].map((root) => `${root}/`);
  if ((a as string).startsWith(b as string) || (b as string).startsWith(a as string))
    throw new FerryError('config', `${job.from.label} and ${job.to.label} lie in each other`, {
      hint: 'name two folders of which neither holds the other',
    });
}

/** The remotes a run of this job talks to, jump hosts aside. */
export function remotesOf(job: Job): Remote[] {
  const archive = job.after.kind === 'archive' ? job.after.to.remote : undefined;
  return [job.from.remote, job.to.remote, archive].filter((remote) => remote !== undefined);
}

/** Temporary files by the fingerprint of what they were to become, newest first. */
function byMark(leftovers: readonly string[]): Map<string, string[]> {
  const found = leftovers.flatMap((path) => {
    const read = readTemporary(nameOf(path));
    return read === undefined ? [] : [{ path, ...read }];
  });
  const marks = new Map<string, string[]>();
  for (const { mark, path } of found.sort((a, b) => b.start - a.start))
    marks.set(mark, [...(marks.get(mark) ?? []), path]);
  return marks;
}

function drifted(plan: Plan, digest: string): FerryError {
  const short = (text: string) => text.slice(0, 12);
  return new FerryError(
    'refused',
    `a side has changed since the plan was made: it is ${short(plan.digest)} now, not ${short(digest)}`,
    { hint: 'nothing was changed; make a new plan, look at it, and apply that' },
  );
}

function tooLong(job: Job): FerryError {
  return new FerryError(
    'timeout',
    `the run took longer than its timeout of ${(job.timeout ?? 0) / 1000} s`,
    {
      hint: 'what was copied stays; run it again, or raise `timeout`',
    },
  );
}

function endOfTally({ failed }: Tally): Pick<Report, 'outcome' | 'exitCode'> {
  return failed === 0
    ? { outcome: 'succeeded', exitCode: 0 }
    : { outcome: 'incomplete', exitCode: 3 };
}
