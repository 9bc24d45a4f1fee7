/**
 * Sends runs to workers that can do them. When jobs.yml names another worker for a job, its waiting
 * runs move there. A run that this process can't do goes back to the queue for another one.
 */
import { stat } from 'node:fs/promises';
import type { Report } from '../core/events.js';
import { type Config, type Job, partsOf } from '../core/job.js';
import type { KnownWorker } from '../core/known-worker.js';
import type { Assignment, AttemptEnd, RunRequest } from '../core/request.js';
import type { RootLog } from '../observe/log.js';
import type { LostRuns } from '../queue/lost-runs.js';
import type { RunQueue } from '../queue/runs.js';
import type { Store } from '../queue/store/store.js';
import type { StoreMark } from '../queue/store-mark.js';
import type { Place } from '../queue/unfinished.js';
import { unknownAfterMs } from '../queue/workers.js';

export interface RoutingParts {
  readonly store: Pick<Store, 'clock'>;
  readonly mark: Pick<StoreMark, 'emptiedAt'>;
  /** Milliseconds until a run may begin, since the store was emptied; 0: it may. Rejects while the queue is out of reach. */
  readonly quietMs: () => Promise<number>;
  /** Asks all processes for the report of a run that the store lost. */
  readonly askLost: LostRuns['ask'];
  readonly runs: Pick<RunQueue, 'placeOf' | 'unfinished' | 'move' | 'firstEntryOf' | 'decline'>;
  readonly knownWorkers: () => Promise<readonly KnownWorker[]>;
  /** This process among them. */
  readonly ownId: string;
  readonly jobNamed: (name: string) => Job | undefined;
  /** What this process's jobs.yml means, as a hash. */
  readonly digest: () => string;
  /** Ends a run that waits, and records it as cancelled. */
  readonly cancel: (run: string) => Promise<unknown>;
  readonly log: RootLog;
}

type CarryOut = (assignment: Assignment) => Promise<AttemptEnd>;

/** A run that was given back, or whose first entry is in hand, is looked at again after this time. */
const shortestWaitMs = 1000;
const longestWaitMs = 15_000;
/** A report that comes after so many further ones of its kind has no mark. */
const mostRemembered = 10_000;
/** For a job that is unknown here: as long as `retry.maxBackoff` by default. */
const giveUpAfterMs = 10 * 60_000;

export class Routing {
  readonly #parts: RoutingParts;
  /** When this process first gave a run back, ms since the epoch. */
  readonly #declinedAt = new Map<string, number>();
  /** Runs taken here that the queue had lost, the newest ones. */
  readonly #again = new Set<string>();

  constructor(parts: RoutingParts) {
    this.#parts = parts;
  }

  /** Moves the runs that wait for another worker than the one their job names. Rejects while the queue is out of reach. */
  async use({ jobs }: Config): Promise<void> {
    const { runs, log } = this.#parts;
    for (const place of runs.unfinished()) {
      const job = jobs.get(place.job);
      if (job === undefined) await this.#cancelUntaken(place);
      if (job === undefined || job.starts.worker === place.worker) continue;
      if (!(await runs.move(place, job.starts.worker))) continue;
      const run = { run: place.run };
      log.info(`${job.name}: its run waits for ${nameOf(job.starts.worker)} now`, run);
    }
  }

  /** Cancels a run whose job is in no jobs.yml any more, and whose worker nobody is: whoever is, would do so. */
  async #cancelUntaken({ run, job, worker }: Place): Promise<void> {
    if (worker === undefined) return;
    const { knownWorkers, ownId, digest, cancel, log } = this.#parts;
    const known = await knownWorkers();
    if (known.some(({ id, digest: other }) => id !== ownId && other !== digest())) return;
    if (known.some(({ roles, names }) => roles.includes('worker') && names.includes(worker)))
      return;
    await cancel(run);
    log.warn(`${job}: its run is cancelled: the job is gone, and no process is worker ${worker}`, {
      run,
    });
  }

  /** Has a run carried out that this process took, unless another one has it or should try it. */
  async carryOut(assignment: Assignment, carryOut: CarryOut): Promise<AttemptEnd> {
    const { request } = assignment;
    const elsewhere = await this.#elsewhere(assignment).catch(() => laterBy(shortestWaitMs));
    if (elsewhere !== undefined) return elsewhere;
    this.#declinedAt.delete(request.run);
    if (request.again === true) this.#remember(request.run);
    return carryOut(assignment);
  }

  /** What becomes of a run that is not to be begun here. Errors: `network`. */
  async #elsewhere({ request, attempt }: Assignment): Promise<AttemptEnd | undefined> {
    const lost = request.again === true && attempt === 1 && (await this.#endOfLost(request.run));
    if (lost) return lost;
    const first = await this.#parts.runs.firstEntryOf(request);
    if (first === 'unfinished') return laterBy(shortestWaitMs);
    if (first !== 'gone') return { next: 'end', report: first.report };
    const why = await this.#whyNot(request);
    if (why === undefined || !(await this.#mayAnother(request, why))) return undefined;
    const since = Date.now() - (this.#declinedAt.get(request.run) ?? Date.now());
    const waitMs = Math.min(Math.max(shortestWaitMs, since / 4), longestWaitMs);
    return laterBy(waitMs);
  }

  /**
   * What becomes of a run that the store lost: it may have ended at another process, which is asked
   * once no process can go on with it. Errors: `network`.
   */
  async #endOfLost(run: string): Promise<AttemptEnd | undefined> {
    const { store, mark, quietMs, askLost } = this.#parts;
    const quiet = await quietMs();
    if (quiet > 0) return laterBy(quiet);
    const end = await askLost(run);
    if (end === 'none') return undefined;
    if (end !== 'unsure') return { next: 'end', report: end };
    const silentFor = store.clock() - (mark.emptiedAt() ?? Number.NEGATIVE_INFINITY);
    return silentFor > unknownAfterMs ? undefined : laterBy(shortestWaitMs);
  }

  /** The report of a run that was taken here, which says whether the queue had lost the run. */
  marked(report: Report): Report {
    return this.#again.has(report.run) ? { ...report, again: true } : report;
  }

  #remember(run: string): void {
    this.#again.add(run);
    const [oldest] = this.#again;
    if (this.#again.size > mostRemembered && oldest !== undefined) this.#again.delete(oldest);
  }

  /** Why this process can't do a run; undefined if it may try. */
  async #whyNot({ job: name, cancelled }: RunRequest): Promise<string | undefined> {
    if (cancelled === true) return undefined;
    const job = this.#parts.jobNamed(name);
    if (job === undefined) return `its jobs.yml has no job ${name}`;
    for (const { from } of partsOf(job)) {
      if (from.remote !== undefined) continue;
      const isMissing = await stat(from.path).then(
        () => false,
        (error: NodeJS.ErrnoException) => error.code === 'ENOENT',
      );
      if (isMissing) return `it has no folder ${from.path}`;
    }
    return undefined;
  }

  /** Gives a run back when a known worker that may take it has not given it back yet. */
  async #mayAnother(request: RunRequest, why: string): Promise<boolean> {
    const { runs, knownWorkers, ownId, jobNamed, log } = this.#parts;
    const { run, job: name, declined = {} } = request;
    const job = jobNamed(name);
    const since = this.#declinedAt.get(run) ?? Date.now();
    if (Date.now() - since > (job?.starts.retry.maxBackoff ?? giveUpAfterMs)) return false;
    const worker = job === undefined ? runs.placeOf(run)?.worker : job.starts.worker;
    const others = (await knownWorkers()).filter(
      ({ id, roles, names }) =>
        id !== ownId &&
        roles.includes('worker') &&
        (worker === undefined || names.includes(worker)) &&
        declined[id] === undefined,
    );
    if (others.length === 0) return false;
    if (declined[ownId] === undefined) await runs.decline(run, ownId, why);
    if (!this.#declinedAt.has(run)) {
      log.warn(`${name}: this process gives its run back for another worker: ${why}`, { run });
      this.#declinedAt.set(run, since);
    }
    return true;
  }
}

function laterBy(ms: number): AttemptEnd {
  return { next: 'wait', until: Date.now() + Math.ceil(ms) };
}

function nameOf(worker: string | undefined): string {
  return worker === undefined ? 'any worker' : `worker ${worker}`;
}
