/** jobs.yml as the running daemon has it: reloaded on request, and handed to the parts of the daemon that work by it. */
import { homedir } from 'node:os';
import type { Config, Job } from '../core/job.js';
import type { RootLog } from '../observe/log.js';
import { type Redact, redactor } from '../observe/redact.js';
import { configDigest, configDigestInTurns } from './config-digest.js';

/** jobs.yml as it was read. */
export interface ReadConfig {
  readonly config: Config;
  /** What its files looked like before that, as a text that differs once one of them does. */
  readonly filesSeen: string;
}

export interface JobsInUseOptions extends ReadConfig {
  /** Reads jobs.yml again. Rejects when it is invalid. */
  readonly load: () => Promise<ReadConfig>;
  /** Called after a reload, once every part works by the new jobs.yml. */
  readonly onReloaded: (config: Config) => void;
  readonly log: RootLog;
}

/** Makes a part of the daemon work by a configuration. Rejects while the queue is out of reach. */
type Follower = (config: Config) => Promise<void> | void;

/** Milliseconds until a queue that was out of reach is tried again. */
const applyAgainMs = 5000;

export class JobsInUse {
  readonly #options: JobsInUseOptions;
  readonly #followers: Follower[] = [];
  #config: Config;
  #filesSeen: string;
  #redact: Redact;
  #digest: string | undefined;
  #loadedAt = new Date();
  #error: string | undefined;
  #closed = false;
  #reloading: Promise<void> = Promise.resolve();
  /** A reload that waits for the one before. */
  #nextReload: Promise<void> | undefined;

  constructor(options: JobsInUseOptions) {
    this.#options = options;
    this.#config = options.config;
    this.#filesSeen = options.filesSeen;
    this.#redact = redactor(options.config.secrets);
  }

  get config(): Config {
    return this.#config;
  }

  /** What the files looked like before the configuration in use was read. */
  get filesSeen(): string {
    return this.#filesSeen;
  }

  get loadedAt(): Date {
    return this.#loadedAt;
  }

  /** What it means, as a hash (config-digest.ts). */
  get digest(): string {
    this.#digest ??= configDigest(this.#config, homedir(), this.#redact);
    return this.#digest;
  }

  /** Why the current jobs.yml was rejected; undefined if it is the one in use. */
  get error(): string | undefined {
    return this.#error;
  }

  /** Removes the secrets of the configuration that is in use at the time. */
  readonly redact: Redact = (text) => this.#redact(text);

  readonly jobNamed = (name: string): Job | undefined => this.#config.jobs.get(name);

  /** Adds a part that `apply` calls, after those added before. */
  follow(follower: Follower): void {
    this.#followers.push(follower);
  }

  /** Makes every part work by the configuration in use. Rejects while the queue is out of reach. */
  async apply(): Promise<void> {
    for (const follower of this.#followers) {
      if (this.#closed) return;
      await follower(this.#config);
    }
  }

  /** The same, tried again later while the queue is out of reach. Never rejects. */
  async applyInTime(): Promise<void> {
    await this.apply().catch(this.#applyLater);
  }

  /** Reloads jobs.yml; an invalid one is logged and changes nothing. All calls while one runs make one that follows it. Never rejects. */
  reload(): Promise<void> {
    this.#nextReload ??= this.#reloading.then(() => {
      this.#nextReload = undefined;
      return this.#reload();
    });
    this.#reloading = this.#nextReload;
    return this.#nextReload;
  }

  /** Nothing is applied any more: the daemon ends. */
  close(): void {
    this.#closed = true;
  }

  readonly #applyLater = () => {
    const timer = setTimeout(() => {
      void this.applyInTime();
    }, applyAgainMs);
    timer.unref();
  };

  async #reload(): Promise<void> {
    const { load, onReloaded, log } = this.#options;
    let next: Config;
    let filesSeen: string;
    try {
      ({ config: next, filesSeen } = await load());
    } catch (error) {
      this.#error = (error as Error).message;
      log.error(`jobs.yml is invalid, the previous one stays in use: ${this.#error}`);
      return;
    }
    const redact = redactor(next.secrets);
    const digest = await configDigestInTurns(next, homedir(), redact);
    if (next.queue !== this.#config.queue)
      log.warn('jobs.yml names another queue now; it takes effect after a restart');
    if (next.name !== this.#config.name)
      log.warn('jobs.yml names another installation now; it takes effect after a restart');
    if (next.stateDir !== this.#config.stateDir)
      log.warn('jobs.yml names another stateDir now; it takes effect after a restart');
    this.#config = next;
    this.#filesSeen = filesSeen;
    this.#loadedAt = new Date();
    this.#error = undefined;
    this.#redact = redact;
    this.#digest = digest;
    try {
      await this.apply();
    } catch (error) {
      this.#applyLater();
      const why = (error as Error).message;
      log.warn(`jobs.yml was reloaded; its schedules take effect once the queue is back: ${why}`);
      return;
    }
    onReloaded(next);
    log.info('jobs.yml was reloaded', { jobs: next.jobs.size });
  }
}
