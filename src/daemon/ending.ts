/** The daemon's end: runs in hand come to a safe point, and what takes too long is left to the end of the process. */
import type { RootLog } from '../observe/log.js';
import type { Consumer } from '../queue/consume.js';
import type { RunWorker } from '../workers/worker.js';

export interface Closable {
  close(): Promise<unknown>;
}

/** Milliseconds that runs in hand may go on once the daemon is to stop; then they are handed back. */
const grace = 1500;
/** Milliseconds from then on for the runs, and for each other part. */
const patience = { runs: 4000, rest: 1000 };

export interface Drained {
  readonly consumers: readonly Consumer[];
  readonly worker: RunWorker;
  /** What starts runs, and is to end while they do. */
  readonly watches: Closable;
  /** Runs are handed back at once: their queue can't take their end. */
  readonly hurry: boolean;
  readonly log: RootLog;
}

/** Takes no more runs, and ends or hands back those in hand. Never rejects. */
export async function drain({ consumers, worker, watches, hurry, log }: Drained): Promise<void> {
  const drained = consumers.map(async (consumer) => {
    await consumer.pause();
    await consumer.close();
  });
  const timer = setTimeout(() => worker.stop(), hurry ? 0 : grace);
  if (!(await within(grace + patience.runs, Promise.all([watches.close(), ...drained]))))
    log.warn('not all runs could be handed back; they are taken over when their time is up', {
      runs: worker.active().map(({ run }) => run),
    });
  clearTimeout(timer);
}

/** Closes one after another. Never rejects. */
export async function closeAll(parts: readonly Closable[]): Promise<void> {
  for (const part of parts) await within(patience.rest, part.close());
}

/** Whether something settles within so many milliseconds. Never rejects. */
async function within(ms: number, work: Promise<unknown>): Promise<boolean> {
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
