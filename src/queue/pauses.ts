/**
 * Which jobs are paused: kept in the queue `ferryline-pauses` for all processes, and in a file of
 * the state folder that outlives a lost queue. Of two accounts of a job the newer one holds.
 */
import { Queue } from 'bullmq';
import { readKeptFile, writeKeptFile } from '../state/kept-file.js';
import { pausesFile } from '../state/layout.js';
import { answered } from './runs.js';
import { keepEvents, type Store } from './store/store.js';

interface Account {
  readonly paused: boolean;
  /** Ms since the epoch. */
  readonly at: number;
}

export interface Pauses {
  isPaused(job: string): boolean;
  /** Pauses or resumes a job; it holds over restarts and a lost queue when this resolves. */
  set(job: string, paused: boolean): Promise<void>;
  /** Brings the two accounts together: at the start, after an outage, when another process has set one. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

export async function openPauses(
  store: Store,
  state: string,
  onError: (error: Error) => void,
  onWarning = (message: string) => onError(new Error(message)),
): Promise<Pauses> {
  const queue = new Queue<Account & { job: string }>(
    'ferryline-pauses',
    { ...store.options(), ...keepEvents(10) },
    store.backend,
  );
  queue.on('error', onError);
  const file = pausesFile(state);
  // Of a file that was cut, the queue's account remains.
  const accounts = await readKeptFile(file, isAccount, onWarning);

  const keep = () => writeKeptFile(file, accounts);
  const publish = async (job: string, account: Account) => {
    const data = { job, ...account };
    const entry = await answered(queue.getJob(job));
    if (entry === undefined) await answered(queue.add('pause', data, { jobId: job }));
    else await answered(entry.updateData(data));
  };

  const pauses: Pauses = {
    isPaused: (job) => accounts.get(job)?.paused === true,
    async set(job, paused) {
      const account = { paused, at: Date.now() };
      accounts.set(job, account);
      await keep();
      await publish(job, account);
    },
    async sync() {
      const theirs = new Map<string, Account>();
      for (const { data } of await answered(queue.getJobs(['waiting']))) theirs.set(data.job, data);
      for (const [job, { paused, at }] of theirs)
        if (at > (accounts.get(job)?.at ?? 0)) accounts.set(job, { paused, at });
      await keep();
      for (const [job, account] of accounts)
        if (account.at > (theirs.get(job)?.at ?? 0)) await publish(job, account);
    },
    close: () => queue.close(),
  };
  await pauses.sync();
  return pauses;
}

function isAccount(value: unknown): value is Account {
  const { paused, at } = (value ?? {}) as Partial<Account>;
  return typeof paused === 'boolean' && Number.isFinite(at);
}
