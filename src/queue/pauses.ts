/**
 * Which jobs are paused: kept in the queue `ferryline-pauses` for all processes, and in a file of
 * the state folder that survives the loss of the queue. If the two differ on a job, the newer one holds.
 */
import { Queue } from 'bullmq';
import { readKeptFile, writeKeptFile } from '../state/kept-file.js';
import { pausesFile } from '../state/layout.js';
import { answered } from './answered.js';
import { keepEvents, type Store } from './store/store.js';

interface PauseState {
  readonly paused: boolean;
  /** When it was set, ms since the epoch. */
  readonly at: number;
}

export interface Pauses {
  isPaused(job: string): boolean;
  /** Pauses or resumes a job. Once this resolves, the change survives restarts and the loss of the queue. */
  set(job: string, paused: boolean): Promise<void>;
  /** Takes the newer state of each job from the queue or the file: at the start, after an outage, after a change by another process. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

export async function openPauses(
  store: Store,
  state: string,
  onError: (error: Error) => void,
  onWarning = (message: string) => onError(new Error(message)),
): Promise<Pauses> {
  const queue = new Queue<PauseState & { job: string }>(
    'ferryline-pauses',
    { ...store.options(), ...keepEvents(10) },
    store.backend,
  );
  queue.on('error', onError);
  const file = pausesFile(state);
  // If the file is damaged, the queue still has the states.
  const states = await readKeptFile(file, isPauseState, onWarning);

  const keep = () => writeKeptFile(file, states);
  const publish = async (job: string, state: PauseState) => {
    const data = { job, ...state };
    const entry = await answered(queue.getJob(job));
    if (entry === undefined) await answered(queue.add('pause', data, { jobId: job }));
    else await answered(entry.updateData(data));
  };

  const pauses: Pauses = {
    isPaused: (job) => states.get(job)?.paused === true,
    async set(job, paused) {
      const changed = { paused, at: Date.now() };
      states.set(job, changed);
      await keep();
      await publish(job, changed);
    },
    async sync() {
      const queued = new Map<string, PauseState>();
      for (const { data } of await answered(queue.getJobs(['waiting']))) queued.set(data.job, data);
      for (const [job, { paused, at }] of queued)
        if (at > (states.get(job)?.at ?? 0)) states.set(job, { paused, at });
      await keep();
      for (const [job, known] of states)
        if (known.at > (queued.get(job)?.at ?? 0)) await publish(job, known);
    },
    close: () => queue.close(),
  };
  await pauses.sync();
  return pauses;
}

function isPauseState(value: unknown): value is PauseState {
  const { paused, at } = (value ?? {}) as Partial<PauseState>;
  return typeof paused === 'boolean' && Number.isFinite(at);
}
