/**
 * What a run by hand takes of the queue, so that it keeps apart from the runs of daemons: the job's
 * permit, and those of logins on its remotes. A Redis or Postgres gives them itself; a daemon with an
 * embedded queue gives them over its control socket, for as long as the connection lasts. Without a
 * daemon an embedded queue has nobody to keep apart from, and is not opened.
 */
import { FerryError } from '../core/errors.js';
import type { Config, Job } from '../core/job.js';
import type { Permit } from '../core/permit.js';
import type { SessionPool } from '../endpoints/sftp/pool.js';
import type { PermitStore, PermitStoreOptions } from '../queue/job-permit.js';
import { daemonOf } from '../state/lock.js';
import { Logins } from '../workers/logins.js';
import { remotesOf } from '../workers/run/run-job.js';
import type { Context } from './context.js';
import { daemonIn } from './daemon-client.js';

/** Held for the attempts of one run. */
export interface HeldPermits {
  /** Aborted when another process may have got the job's permit. */
  readonly lost: AbortSignal;
  /** The id of the queue's installation; absent unless a Redis or Postgres gave the job's permit. */
  readonly installation?: string | undefined;
  isOurs(): boolean;
  /** Waits for the logins of one target of several, or of a run with hooks; resolves to a function that ends their use. Absent: those of the job are held. */
  readonly enter?: (part: Job, signal: AbortSignal) => Promise<() => void>;
  release(): Promise<void>;
}

export interface RunPermits {
  /** Takes the job's permit at once, and waits for logins. Errors: `busy` when the job runs elsewhere, `network`. */
  hold(job: Job, signal: AbortSignal): Promise<HeldPermits>;
  close(): Promise<void>;
}

export interface RunPermitOptions {
  readonly config: Pick<Config, 'queue' | 'name'>;
  /** The state folder of jobs.yml, in which its daemon runs. */
  readonly state: string;
  /** Whether the job is of jobs.yml: then it has a permit of its own. */
  readonly ofConfig: boolean;
  readonly pool: SessionPool;
}

/** After this time a run says what it waits for. */
const sayAfterMs = 1000;

/** Undefined where there is nothing to keep apart from. Errors: `network` when the queue can't be reached. */
export async function openRunPermits(
  options: RunPermitOptions,
  context: Context,
): Promise<RunPermits | undefined> {
  const { config, state, ofConfig, pool } = options;
  const isEmbedded = config.queue === 'embedded';
  const inUse = new Set<Logins>();
  const onWanted = (permit: string) => {
    for (const logins of inUse) logins.wanted(permit);
  };
  const source = await unlessAlone(() =>
    isEmbedded
      ? permitsOfDaemon(state, context)
      : permitsOfStore({ url: config.queue, name: config.name, state, onWanted }, context),
  );
  if (source === undefined) return undefined;
  const { installation } = source;
  const newLogins = () => {
    const logins = new Logins(pool, (...wanted) => source.take(...wanted));
    inUse.add(logins);
    return logins;
  };
  // Over the socket nobody says that another process wants a login: none is kept from job to job.
  const kept = isEmbedded ? undefined : newLogins();
  return {
    async hold(job, signal) {
      const permit = ofConfig
        ? await saying(
            `${job.name}: its permit is taken; a holder that was killed gives it back within seconds`,
            () => unlessAlone(() => source.takeJob(job.name, job.starts.worker, signal)),
            context,
          )
        : undefined;
      const logins = kept ?? newLogins();
      const leave = async () => {
        if (logins !== kept) await logins.close();
        await permit?.release();
      };
      const enter = (part: Job, signal: AbortSignal) =>
        waitForLogins(part, logins, signal, context);
      try {
        const isWhole = job.parts === undefined && job.hooks === undefined;
        const endUse = isWhole ? await enter(job, signal) : undefined;
        return {
          lost: permit?.lost ?? new AbortController().signal,
          installation: permit === undefined ? undefined : installation,
          isOurs: () => permit?.isOurs() ?? true,
          ...(endUse === undefined && { enter }),
          async release() {
            endUse?.();
            await leave();
          },
        };
      } catch (error) {
        await leave();
        throw error;
      }
    },
    async close() {
      for (const logins of inUse) await logins.close();
      await source.close();
    },
  };
}

function waitForLogins(
  job: Job,
  logins: Logins,
  signal: AbortSignal,
  context: Context,
): Promise<() => void> {
  const remotes = remotesOf(job);
  const names = remotes.map(({ name }) => name).join(', ');
  const text = `${job.name}: waiting for a login on ${names}: other runs use all its maxSessions`;
  return saying(text, () => logins.use(remotes, signal), context);
}

/** The outcome of `work`; if it takes a while, the text is shown. */
async function saying<T>(text: string, work: () => Promise<T>, { output }: Context): Promise<T> {
  const timer = setTimeout(() => output.note(text), sayAfterMs);
  try {
    return await work();
  } finally {
    clearTimeout(timer);
  }
}

async function permitsOfStore(
  options: Omit<PermitStoreOptions, 'onWarning'>,
  { output }: Context,
): Promise<PermitStore> {
  // Loaded only here, since the queue's library takes longer to load than all else.
  const { openPermitStore } = await import('../queue/job-permit.js');
  const onWarning = (message: string) =>
    output.note(`${output.style.yellow('warning:')} ${message}`);
  return openPermitStore({ ...options, onWarning });
}

/** The permits that the daemon of a state folder gives; undefined if none runs. */
async function permitsOfDaemon(state: string, context: Context): Promise<PermitStore | undefined> {
  if ((await daemonOf(state)) === undefined) return undefined;
  const controls = await daemonIn(state, context);
  const take = async (name: string, count: number, signal: AbortSignal): Promise<Permit> => {
    const hangUp = new AbortController();
    const lines = controls.permit(name, count, AbortSignal.any([signal, hangUp.signal]));
    await lines[Symbol.asyncIterator]().next();
    return {
      // A daemon that ended gives no permits to others: the job's lock keeps its successor away.
      lost: new AbortController().signal,
      isOurs: () => true,
      release: async () => hangUp.abort(),
    };
  };
  return {
    take,
    takeJob: (job, _worker, signal) => take(`job-${job}`, 1, signal),
    close: async () => {},
  };
}

/** An error of a queue out of reach also says how to go on without it. */
async function unlessAlone<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (thrown) {
    if (!(thrown instanceof FerryError) || thrown.kind !== 'network') throw thrown;
    const { message, hint, code, cause } = thrown;
    throw new FerryError('network', message, {
      cause,
      ...(code === undefined ? {} : { code }),
      hint: `${hint === undefined ? '' : `${hint}; `}--alone runs it without the queue, if no other process runs this job`,
    });
  }
}
