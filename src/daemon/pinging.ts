/** The part of the daemon that pings checks of Healthchecks: those of the runs it carries out, and its heartbeat. */
import type { Report } from '../core/events.js';
import type { Config } from '../core/job.js';
import type { ListenToRun, RunRequest } from '../core/request.js';
import { Pings } from '../notify/pings.js';
import { endOfLog } from '../observe/end-of-log.js';
import type { RootLog } from '../observe/log.js';
import type { OpenQueue } from '../queue/open.js';
import type { JobsInUse } from './jobs-in-use.js';
import type { Role } from './roles.js';

export interface PingingParts {
  readonly state: string;
  readonly roles: readonly Role[];
  readonly queue: Pick<OpenQueue, 'knownWorkers' | 'trouble'>;
  readonly inUse: JobsInUse;
  readonly log: RootLog;
}

/** Runs that are remembered; one whose next attempt another worker makes ends there. */
const mostBegun = 10_000;

export class Pinging {
  readonly #parts: PingingParts;
  readonly #pings: Pings;
  /** The runs whose begin was pinged here: a further attempt is no other begin. */
  readonly #begun = new Set<string>();
  #heartbeat: Config['heartbeat'];
  #timer: NodeJS.Timeout | undefined;

  constructor(parts: PingingParts) {
    const { state, log, inUse } = parts;
    this.#parts = parts;
    this.#pings = new Pings({
      endOfLog: (run) => endOfLog(state, run),
      onLost: (why) => log.warn(inUse.redact(`a ping to a check of Healthchecks was lost: ${why}`)),
    });
  }

  /** A run begins with its first event; one that can't begin has its end alone. */
  listening(listen: ListenToRun): ListenToRun {
    return (request) => {
      const { emit, end } = listen(request);
      return {
        emit: (event) => {
          if (event.event !== 'run') this.#begin(request);
          emit(event);
        },
        end,
      };
    };
  }

  /** The last attempt at a run that this process carried out has ended. */
  ended(report: Report): void {
    const { job, run, outcome } = report;
    if (!this.#begun.delete(run)) return;
    this.#pings.ended(this.#checksOf(job), job, run, outcome);
  }

  begin(): void {
    if (!this.#parts.roles.includes('scheduler')) return;
    this.#use(this.#parts.inUse.config);
    this.#parts.inUse.follow((config) => this.#use(config));
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#pings.close();
  }

  #begin(request: RunRequest): void {
    if (request.dryRun === true || this.#begun.has(request.run)) return;
    this.#begun.add(request.run);
    const [oldest] = this.#begun;
    if (this.#begun.size > mostBegun && oldest !== undefined) this.#begun.delete(oldest);
    this.#pings.began(this.#checksOf(request.job), request.job, request.run);
  }

  #checksOf(job: string): string[] {
    const { inUse } = this.#parts;
    const named = inUse.jobNamed(job)?.incidents.notify;
    return [...inUse.config.notify.values()].flatMap(({ name, target }) =>
      target.kind === 'healthchecks' && (named?.includes(name) ?? true) ? [target.url] : [],
    );
  }

  #use({ heartbeat }: Config): void {
    const before = this.#heartbeat;
    if (before?.url === heartbeat?.url && before?.every === heartbeat?.every) return;
    this.#heartbeat = heartbeat;
    clearInterval(this.#timer);
    if (heartbeat === undefined) return;
    this.#timer = setInterval(() => void this.#beat(heartbeat.url), heartbeat.every).unref();
    void this.#beat(heartbeat.url);
  }

  /** Only while this scheduler, the queue and a worker are alive. */
  async #beat(url: string): Promise<void> {
    const { queue } = this.#parts;
    if (queue.trouble() !== undefined) return;
    const known = await queue.knownWorkers().catch(() => []);
    if (known.some(({ roles }) => roles.includes('worker'))) await this.#pings.beat(url);
  }
}
