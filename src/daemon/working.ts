/** The part of the daemon that carries runs out: sessions and logins, the worker, and the consumers that take runs from the queue for it. */
import { hostname } from 'node:os';
import { FerryError } from '../core/errors.js';
import type { Report } from '../core/events.js';
import type { Config, Job } from '../core/job.js';
import { labelOfWorker } from '../core/known-worker.js';
import { isFromNewer, leftToNewerMs } from '../core/payload.js';
import type { Permit, TakePermit } from '../core/permit.js';
import type { Assignment, AttemptEnd, ListenToRun, RunRequest } from '../core/request.js';
import { SessionPool } from '../endpoints/sftp/pool.js';
import { endOfLog } from '../observe/end-of-log.js';
import type { RootLog } from '../observe/log.js';
import { redactEvent } from '../observe/redact.js';
import { type Consumer, consume } from '../queue/consume.js';
import type { OpenQueue } from '../queue/open.js';
import type { History } from '../state/history.js';
import { Logins } from '../workers/logins.js';
import { reportOfRequest } from '../workers/run/report.js';
import { limitProcess } from '../workers/run/transfer/bandwidth.js';
import { RunWorker } from '../workers/worker.js';
import { closeAll, drain } from './ending.js';
import type { JobPauses } from './job-pauses.js';
import type { JobsInUse } from './jobs-in-use.js';
import { planKeeper } from './keep-plan.js';
import { leftToNewer } from './left-to-newer.js';
import type { Routing } from './routing.js';

export interface WorkingParts {
  readonly state: string;
  /** Names under which this process works: it also takes runs of jobs that ask for one of them. */
  readonly names: readonly string[];
  /** Runs carried out at once. */
  readonly concurrency: number;
  readonly queue: OpenQueue;
  readonly inUse: JobsInUse;
  readonly jobPauses: JobPauses;
  readonly history: History;
  readonly routing: Routing;
  /** Milliseconds until a run may begin, since the store was emptied; 0: it may. Rejects while the queue is out of reach. */
  readonly quietMs: () => Promise<number>;
  readonly listen: ListenToRun;
  /** A run has ended here, before any other process hears of it. */
  readonly onEnded: (run: string, report: Report | undefined) => void;
  readonly log: RootLog;
}

export class Working {
  readonly worker: RunWorker;
  readonly logins: Logins;
  readonly #parts: WorkingParts;
  readonly #pool: SessionPool;
  #consumer: Consumer | undefined;
  readonly #left: ReturnType<typeof leftToNewer>;
  /** The jobs and their windows, as of the last `use`. */
  #windows: ReadonlyMap<string, string> = new Map();

  constructor(parts: WorkingParts) {
    const { state, names, queue, inUse, jobPauses, history, routing, listen, log } = parts;
    const takePermit: TakePermit = (...wanted) => queue.permits.take(...wanted);
    this.#parts = parts;
    this.#left = leftToNewer(log);
    this.#pool = new SessionPool({ notice: (remote, text) => log.info(`${remote}: ${text}`) });
    this.logins = new Logins(this.#pool, takePermit);
    this.worker = new RunWorker({
      pool: this.#pool,
      state,
      installation: () => queue.installation,
      name: labelOfWorker({ names, host: hostname() }),
      logins: this.logins,
      tryPermit: (...wanted) => this.#tryPermit(...wanted),
      atOnce: parts.concurrency,
      onPlace: () => this.#consumer?.look(),
      jobNamed: inUse.jobNamed,
      isPaused: (job) => jobPauses.of(job) !== undefined,
      listen,
      onPlan: ({ run }, attempt) => {
        const redact = (text: string) => inUse.redact(text);
        const onError = (error: Error) =>
          log.warn(`the plan is not kept: ${error.message}`, { run });
        const keep = planKeeper(run, attempt, { state, redact, onError });
        return (plan, _refusal, target) => keep(plan, target);
      },
      mark: (report) => routing.marked(report),
      redact: (value) => redactEvent(value, inUse.redact),
      keep: (report) => history.keep(report),
    });
  }

  /** Takes a permit now, or not at all. A store that was emptied gives a job's while another process still holds it: there is none until that one has noticed. */
  async #tryPermit(name: string, count: number): Promise<Permit | undefined> {
    const { queue, quietMs } = this.#parts;
    const isJobs = name.startsWith('job-');
    if (isJobs && queue.mark.quietMs() > 0) return undefined;
    const permit = await queue.permits.tryTake(name, count);
    if (permit === undefined || !isJobs) return permit;
    // The permit came first: one of a store that is emptied after this look is lost with the store.
    if ((await quietMs().catch(() => undefined)) === 0) return permit;
    await permit.release();
    return undefined;
  }

  /** Takes runs from the queue from now on. Whoever wants to know of their ends listens before this. */
  begin(): void {
    const { names, queue, history, onEnded } = this.#parts;
    const { signals, permits } = queue;
    queue.left.begin(labelOfWorker({ names, host: hostname() }));
    const consumer = consume(queue.store, {
      workers: [undefined, ...names],
      takePlace: () => this.worker.takePlace(),
      carryOut: (assignment) => this.#leaveOrCarryOut(assignment),
      onEnded(run, report) {
        onEnded(run, report);
        void signals.send('ended', { run }).catch(() => {});
      },
      onWaiting: (permit) => {
        // A login may stay open for a minute after its last run; a job's permit is given back at once.
        if (permit.startsWith('remote-')) void signals.send('wanted', { permit }).catch(() => {});
      },
      onPassedOn: (permit) => {
        if (queue.store.kind !== 'embedded')
          void signals.send('released', { permit }).catch(() => {});
      },
      onGivenUp: (request, why) => void history.keep(this.#giveUp(request, why)),
      onError: (error) => queue.store.suspect(error),
    });
    this.#consumer = consumer;
    signals.on('requested', ({ worker }) => {
      if (worker === undefined || names.includes(worker)) consumer.look();
    });
    permits.onReleased((permit) => consumer.released(permit));
  }

  /**
   * Limits all runs together, ends sessions to remotes whose definition has changed, as soon as no run
   * uses them, and looks again at runs that wait for a window that has changed.
   */
  async use({ bandwidth, jobs, remotes }: Config): Promise<void> {
    limitProcess(this.#pool, bandwidth);
    this.logins.keepOnly(remotes);
    const before = this.#windows;
    const windows = new Map([...jobs.values()].map((job) => [job.name, windowText(job)]));
    const changed = [...windows.keys()].filter((job) => before.get(job) !== windows.get(job));
    const known = changed.filter((job) => before.has(job));
    if (known.length > 0) await this.#parts.queue.runs.wake(new Set(known));
    this.#windows = windows;
  }

  /** Takes no more runs, and ends or hands back those in hand; with `hurry` at once. Never rejects. */
  drain(hurry: boolean): Promise<void> {
    return drain({
      consumers: this.#consumer === undefined ? [] : [this.#consumer],
      worker: this.worker,
      hurry,
      log: this.#parts.log,
    });
  }

  /** Ends all sessions. Never rejects. */
  close(): Promise<void> {
    return closeAll([this.logins, this.#pool]);
  }

  /** A request that only a newer version can read waits for one; the log says once which job asks for that. */
  async #leaveOrCarryOut(assignment: Assignment): Promise<AttemptEnd> {
    const { job, run } = assignment.request;
    if (!isFromNewer(assignment.request)) {
      const { routing } = this.#parts;
      const end = await routing.carryOut(assignment, (taken) => this.worker.carryOut(taken));
      if (end.next === 'end') await this.#keepEndOfLog(end.report);
      return end;
    }
    this.#left(job, `run ${run}`);
    return { next: 'wait', until: Date.now() + leftToNewerMs };
  }

  /** Whoever looks for the cause finds the end of the log in the store, should this worker be gone by then. */
  async #keepEndOfLog({ job, run, outcome }: Report): Promise<void> {
    const { state, queue, log } = this.#parts;
    if (queue.store.kind === 'embedded' || outcome === 'succeeded' || outcome === 'cancelled')
      return;
    try {
      await queue.left.keepEnd(job, run, await endOfLog(state, run));
    } catch (error) {
      log.warn(`${job}: the end of its log is on this machine alone: ${(error as Error).message}`, {
        run,
      });
    }
  }

  /** Reports a run whose workers died too often, as a run reports its own end. */
  #giveUp(request: RunRequest, why: string): Report {
    const { inUse, listen } = this.#parts;
    const error = new FerryError('defect', `its workers died again and again: ${why}`, {
      hint: 'the run itself may be the cause: `ferryline run` shows what happens',
    });
    const report = reportOfRequest(request, inUse.jobNamed(request.job), error);
    const { emit, end } = listen(request);
    emit({ event: 'run', ...report });
    void end();
    return report;
  }
}

/** What decides whether a job's runs wait for its window. */
function windowText({ window, starts }: Job): string {
  return JSON.stringify([window?.text, starts.timezone]);
}
