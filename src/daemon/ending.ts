/** The daemon's end: runs in hand come to a safe point, and what takes too long is left to the end of the process. */
import type { RootLog } from '../observe/log.js';
import type { Consumer } from '../queue/consume.js';
import type { RunWorker } from '../workers/worker.js';

export interface Closable {
  close(): Promise<unknown>;
}

/** Runs in hand may go on for this long once the daemon is to stop; then they are handed back. */
const graceMs = 1500;
/** Runs that are not handed back within this time are left for other workers to take over. */
const handBackWithinMs = 4000;
/** Every other part is left to the end of the process after this time. */
const closeWithinMs = 1000;

export interface DrainOptions {
  readonly consumers: readonly Consumer[];
  readonly worker: RunWorker;
  /** Hands runs back at once: the queue can't record their end. */
  readonly hurry: boolean;
  readonly log: RootLog;
}

/** Takes no more runs, and ends or hands back those in hand. Never rejects. */
export async function drain({ consumers, worker, hurry, log }: DrainOptions): Promise<void> {
  const drained = consumers.map(async (consumer) => {
    await consumer.pause();
    await consumer.close();
  });
  const timer = setTimeout(() => worker.stop(), hurry ? 0 : graceMs);
  if (!(await settlesWithin(graceMs + handBackWithinMs, Promise.all(drained))))
    log.warn(
      'not all runs could be handed back; other workers take them over once their locks expire',
      {
        runs: worker.active().map(({ run }) => run),
      },
    );
  clearTimeout(timer);
}

/** Closes one after another. Never rejects. */
export async function closeAll(parts: readonly Closable[]): Promise<void> {
  for (const part of parts) await settlesWithin(closeWithinMs, part.close());
}

/** Whether `work` settles within `ms` milliseconds. Never rejects. */
async function settlesWithin(ms: number, work: Promise<unknown>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), ms);
  });
  const done = work.then(
    () => true,
    () => true,
  );
  const inTime = await Promise.race([done, late]);
  clearTimeout(timer);
  return inTime;
}
