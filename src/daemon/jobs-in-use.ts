/** jobs.yml as the running daemon has it: taken anew when somebody says so, and brought to those who go by it. */
import type { Config, Job } from '../core/job.js';
import type { RootLog } from '../observe/log.js';
import { type Redact, redactor } from '../observe/redact.js';

export interface JobsInUseOptions {
  readonly config: Config;
  /** Reads jobs.yml anew. Rejects when it is invalid. */
  readonly load: () => Promise<Config>;
  /** Tells the parts of the daemon what they are to do by it now. Rejects while the queue is out of reach. */
  readonly apply: (config: Config) => Promise<void>;
  /** Another jobs.yml has been taken and told. */
  readonly onApplied: (config: Config) => void;
  readonly log: RootLog;
}

export interface JobsInUse {
  readonly config: Config;
  readonly loadedAt: Date;
  /** Why jobs.yml as it is now is not the one in use. */
  readonly error: string | undefined;
  /** Takes out the secrets of the one in use at the time. */
  readonly redact: Redact;
  jobNamed(name: string): Job | undefined;
  /** Tells the parts what is in use. Rejects while the queue is out of reach. */
  apply(): Promise<void>;
  /** The same; what can't be told now is told later. Never rejects. */
  applyInTime(): Promise<void>;
  /** Takes jobs.yml as it is now; an invalid one is told, and changes nothing. One after another; never rejects. */
  reload(): Promise<void>;
  /** Nothing is told later any more. */
  close(): void;
}

/** Milliseconds until a queue that was out of reach is tried again. */
const applyEvery = 5000;

export function createJobsInUse({ load, log, ...options }: JobsInUseOptions): JobsInUse {
  let { config } = options;
  let redact = redactor(config.secrets);
  let loadedAt = new Date();
  let problem: string | undefined;
  let closed = false;
  let reloading: Promise<void> = Promise.resolve();

  const apply = () => options.apply(config);
  const applyLater = () => {
    const timer = setTimeout(() => {
      if (!closed) void apply().catch(applyLater);
    }, applyEvery);
    timer.unref();
  };

  const reload = async () => {
    let next: Config;
    try {
      next = await load();
    } catch (error) {
      problem = (error as Error).message;
      log.error(`jobs.yml is invalid, the one before stays in use: ${problem}`);
      return;
    }
    if (next.queue !== config.queue)
      log.warn('jobs.yml names another queue now; it is used after a restart');
    config = next;
    loadedAt = new Date();
    problem = undefined;
    redact = redactor(config.secrets);
    try {
      await apply();
    } catch (error) {
      applyLater();
      log.warn(`jobs.yml was read anew, its schedules wait: ${(error as Error).message}`);
      return;
    }
    options.onApplied(config);
    log.info('jobs.yml was read anew', { jobs: config.jobs.size });
  };

  return {
    get config() {
      return config;
    },
    get loadedAt() {
      return loadedAt;
    },
    get error() {
      return problem;
    },
    redact: (text) => redact(text),
    jobNamed: (name) => config.jobs.get(name),
    apply,
    applyInTime: () => apply().catch(applyLater),
    reload() {
      reloading = reloading.then(reload);
      return reloading;
    },
    close() {
      closed = true;
    },
  };
}
