/**
 * Runs a job with several targets: the sentence of run-job.ts for each of them, and one report.
 *
 * Four are run at once, since most of a run is waiting for its server. Their events carry their target;
 * a plan's actions arrive in one go, and the progress is the sum over all of them, so that the output
 * stays readable.
 */
import { setMaxListeners } from 'node:events';
import { each } from '../../core/at-once.js';
import { FerryError } from '../../core/errors.js';
import type { PlanEvent, Progress, Report, RunEvent, TargetEnd } from '../../core/events.js';
import { type Job, partsOf } from '../../core/job.js';
import { digestOfTargets } from '../../core/plan-digest.js';
import { reportOfNoStart, reportOfTargets, targetEnd } from './report.js';
import { drifted, type RunContext, remotesOf, runJob, tooLong } from './run-job.js';

/** Targets that are run at the same time; further ones wait. */
const targetsAtOnce = 4;

export interface TargetsContext extends RunContext {
  /** Waits for what a target's run needs, and returns what gives it back. Of a job with one target only when it has hooks. */
  readonly enter?: (part: Job, signal: AbortSignal) => Promise<() => unknown>;
  /** The report of an earlier attempt at this run, by this very job: what succeeded in it is not run again. */
  readonly earlier?: Report;
}

/** Runs a job, whether it has one target or several. Never rejects: every error ends in the report. */
export async function runTargets(job: Job, context: TargetsContext): Promise<Report> {
  if (job.parts === undefined) return runJob(job, context);
  const started = new Date();
  const remotes = remotesOf(job);
  const loginsBefore = context.pool.logins(remotes);
  const overtime = new AbortController();
  const timer =
    job.timeout === undefined
      ? undefined
      : setTimeout(() => overtime.abort(tooLong(job)), job.timeout);
  const signal = AbortSignal.any([context.signal, overtime.signal]);
  setMaxListeners(0, signal);
  const run = new TargetsRun(job, { ...context, signal });
  try {
    const ends = await run.carryOut();
    const sessions = context.pool.logins(remotes) - loginsBefore;
    const report = reportOfTargets(job, context, ends, { started, sessions });
    context.emit({ event: 'run', ...report });
    return report;
  } finally {
    clearTimeout(timer);
  }
}

/** A part of a job, which has a name. */
type Part = Job & { readonly target: string };

class TargetsRun {
  readonly #job: Job;
  readonly #context: TargetsContext;
  readonly #parts: readonly Part[];
  /** The ends of the targets that an earlier attempt has done. */
  readonly #done: ReadonlyMap<string, TargetEnd>;
  readonly #plans = new Map<string, PlanEvent>();
  readonly #progress = new Map<string, Progress>();

  constructor(job: Job, context: TargetsContext) {
    this.#job = job;
    this.#context = context;
    // the time limit is that of the whole run
    this.#parts = partsOf(job).map((part) => ({ ...part, timeout: undefined }) as Part);
    const ends = context.earlier?.targets ?? [];
    const done = ends.filter(({ outcome }) => outcome === 'succeeded');
    this.#done = new Map(done.map((end) => [end.target, end]));
  }

  /** Resolves to the end of every target, in the order of the job. */
  async carryOut(): Promise<TargetEnd[]> {
    const { sealed, ...context } = this.#context;
    if (sealed === undefined) return this.#runEach(context);
    // Nothing is carried out unless every target's plan is still the sealed one.
    const ends = await this.#runEach(planOnly(context));
    const unplanned = ends.filter(({ target }) => !this.#plans.has(target));
    if (unplanned.length > 0) return this.#refuse(unplannedError(unplanned), unplanned);
    const digests = new Map([...this.#plans].map(([target, { digest }]) => [target, digest]));
    const digest = this.#digest();
    if (digest !== sealed.digest) return this.#refuse(drifted(digest, sealed.digest));
    this.#plans.clear();
    return this.#runEach(context, (target) => {
      const own = digests.get(target);
      return own === undefined ? {} : { sealed: { ...sealed, digest: own } };
    });
  }

  async #runEach(
    context: TargetsContext,
    own: (target: string) => Partial<RunContext> = () => ({}),
  ): Promise<TargetEnd[]> {
    const ends = new Map(this.#done);
    const left = this.#parts.filter(({ target }) => !ends.has(target));
    const atOnce = this.#job.inTurn === true ? 1 : targetsAtOnce;
    await each(left, atOnce, async (part) => {
      const report = await this.#runPart(part, { ...context, ...own(part.target) });
      ends.set(part.target, targetEnd(part.target, report));
    });
    return this.#parts.flatMap(({ target }) => ends.get(target) ?? []);
  }

  async #runPart(part: Part, context: TargetsContext): Promise<Report> {
    const { signal, enter } = context;
    const emit = (event: RunEvent) => this.#emit(part.target, event, context);
    let leave: (() => unknown) | undefined;
    try {
      signal.throwIfAborted();
      leave = await enter?.(part, signal);
      signal.throwIfAborted();
      return await runJob(part, { ...context, emit });
    } catch (error) {
      return reportOfNoStart(part, context, signal.aborted ? signal.reason : error, new Date());
    } finally {
      await leave?.();
    }
  }

  /** Passes an event of one target on. */
  #emit(target: string, event: RunEvent, { emit }: RunContext): void {
    switch (event.event) {
      case 'run':
        return;
      case 'progress':
        this.#progress.set(target, event);
        emit(sumOfProgress([...this.#progress.values()]));
        return;
      case 'plan':
        this.#plans.set(target, event);
        emit({ ...event, target });
        if (this.#plans.size === this.#parts.length - this.#done.size) emit(this.#wholePlan());
        return;
      case 'transcript':
        emit(event);
        return;
      default:
        emit({ ...event, target });
    }
  }

  /** The plans of all targets together. */
  #wholePlan(): PlanEvent {
    const plans = [...this.#plans.values()];
    const sum = (of: (plan: PlanEvent) => number) => total(plans.map(of));
    return {
      event: 'plan',
      job: this.#job.name,
      mkdirs: sum(({ mkdirs }) => mkdirs),
      copies: sum(({ copies }) => copies),
      attrs: sum(({ attrs }) => attrs),
      renames: sum(({ renames }) => renames),
      deletes: sum(({ deletes }) => deletes),
      conflicts: sum(({ conflicts }) => conflicts),
      bytes: sum(({ bytes }) => bytes),
      mtimeOnly: sum(({ mtimeOnly }) => mtimeOnly),
      digest: this.#digest(),
    };
  }

  /** SHA-256 over the digests of all targets, in the order of the job. */
  #digest(): string {
    const all = this.#parts.map(({ target }) => [target, this.#plans.get(target)?.digest] as const);
    return digestOfTargets(all);
  }

  /** Every target as refused, except those whose end is known. */
  #refuse(error: Error, known: readonly TargetEnd[] = []): TargetEnd[] {
    return this.#parts.map((part) => {
      const report = () => reportOfNoStart(part, this.#context, error, new Date());
      const end = known.find(({ target }) => target === part.target);
      return end ?? targetEnd(part.target, report());
    });
  }
}

/** A run that ends with its plan, of which nothing is passed on. */
function planOnly({ onPlan: _, emit, ...context }: TargetsContext): TargetsContext {
  return {
    ...context,
    dryRun: true,
    deepPlan: false,
    emit: (event) => {
      if (event.event === 'progress' || event.event === 'notice') emit(event);
    },
  };
}

function unplannedError(unplanned: readonly TargetEnd[]): FerryError {
  const targets = unplanned.map(({ target }) => target).join(', ');
  return new FerryError('refused', `the plan could not be checked for ${targets}`, {
    hint: 'nothing was changed; once that is mended, apply the plan again',
  });
}

function sumOfProgress(all: readonly Progress[]): Progress {
  const phases = new Set(all.map(({ phase }) => phase));
  return {
    event: 'progress',
    phase: phases.has('transfer') ? 'transfer' : phases.has('scan') ? 'scan' : 'delete',
    scanned: total(all.map(({ scanned }) => scanned)),
    files: {
      done: total(all.map(({ files }) => files.done)),
      total: total(all.map(({ files }) => files.total)),
    },
    bytes: {
      done: total(all.map(({ bytes }) => bytes.done)),
      total: total(all.map(({ bytes }) => bytes.total)),
    },
  };
}

function total(numbers: readonly number[]): number {
  return numbers.reduce((sum, number) => sum + number, 0);
}
