/**
 * Which run the key of a request makes, for all processes on a store: an entry of the queue `ferryline-keys`,
 * which whoever is first adds. An embedded store has one process, whose own record is enough.
 */
import { Queue } from 'bullmq';
import { answered } from './answered.js';
import { keepEvents, type Store } from './store/store.js';

export interface Claims {
  /** The run of a key: `run`, unless another process was first; `isSafe`: it is or was in the queue. Errors: `network`. */
  claim(key: string, run: string): Promise<{ readonly run: string; readonly isSafe: boolean }>;
  /** The run of a key is in the queue. Errors: `network`. */
  safe(key: string): Promise<void>;
  close(): Promise<void>;
}

interface Claim {
  readonly run: string;
  readonly isSafe?: true;
}

/** Keys are kept for so long. */
const keptMs = 24 * 3600_000;
/** Old ones are looked for so often, and so many at a time. */
const cleanEveryMs = 600_000;
const cleanedAtOnce = 500;

export function openClaims(store: Store, onError: (error: Error) => void): Claims {
  if (store.kind === 'embedded')
    return {
      claim: async (_, run) => ({ run, isSafe: false }),
      safe: async () => {},
      close: async () => {},
    };
  const queue = new Queue<Claim>(
    store.queueName('keys'),
    { ...store.options(), ...keepEvents(10) },
    store.backend,
  );
  queue.on('error', onError);
  let cleanedAt = Number.NEGATIVE_INFINITY;
  const isOld = ({ timestamp }: { readonly timestamp: number }) =>
    store.clock() - timestamp > keptMs;
  const clean = async () => {
    if (performance.now() - cleanedAt < cleanEveryMs) return;
    cleanedAt = performance.now();
    for (const entry of await answered(queue.getJobs(['waiting'], 0, cleanedAtOnce - 1, true)))
      if (entry !== undefined && isOld(entry)) await answered(entry.remove());
  };
  return {
    async claim(key, run) {
      await clean();
      const before = await answered(queue.getJob(key));
      if (before !== undefined && isOld(before)) await answered(before.remove());
      await answered(queue.add('key', { run }, { jobId: key }));
      const { data = { run } } = (await answered(queue.getJob(key))) ?? {};
      return { run: data.run, isSafe: data.isSafe === true };
    },
    async safe(key) {
      const entry = await answered(queue.getJob(key));
      await entry?.updateData({ ...entry.data, isSafe: true });
    },
    close: () => queue.close(),
  };
}
