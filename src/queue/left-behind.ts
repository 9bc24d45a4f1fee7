/**
 * What is left of a worker that is gone: when it was last seen, and the end of the log of each job's last run
 * that did not succeed. All else of its runs went with it, or waits there until it is back.
 */
import { Queue } from 'bullmq';
import { answered } from './answered.js';
import { keepEvents, type Store } from './store/store.js';

export interface LeftBehind {
  /** Notes each minute, and at the end, that this worker lives. An outage is reported elsewhere. */
  begin(worker: string): void;
  /** When a worker was last seen, by the store's clock, ISO 8601; undefined: nothing is known of it. Errors: `network`. */
  seenAt(worker: string): Promise<string | undefined>;
  /** Keeps the last lines of a run's log, in place of those of an earlier run of the job. Errors: `network`. */
  keepEnd(job: string, run: string, lines: readonly string[]): Promise<void>;
  /** Those of the run, if it is the one that they were kept of last. Errors: `network`. */
  endOfLog(job: string, run: string): Promise<readonly string[]>;
  close(): Promise<void>;
}

/** Of a worker `seen`, ms since the epoch; of a job the others. */
interface Entry {
  readonly seen?: number;
  readonly run?: string;
  readonly lines?: readonly string[];
}

const noteEveryMs = 60_000;

/** An embedded store has one process: where it is gone, so is the store. */
export function openLeftBehind(store: Store, onError: (error: Error) => void): LeftBehind {
  if (store.kind === 'embedded')
    return {
      begin() {},
      seenAt: async () => undefined,
      async keepEnd() {},
      endOfLog: async () => [],
      async close() {},
    };
  return new Shared(store, onError);
}

class Shared implements LeftBehind {
  readonly #store: Store;
  readonly #queue: Queue<Entry>;
  #timer: NodeJS.Timeout | undefined;
  #note: () => Promise<void> = async () => {};

  constructor(store: Store, onError: (error: Error) => void) {
    this.#store = store;
    this.#queue = new Queue<Entry>(
      store.queueName('left'),
      { ...store.options(), ...keepEvents(10) },
      store.backend,
    );
    this.#queue.on('error', onError);
  }

  begin(worker: string): void {
    this.#note = async () => {
      const seen = await answered(this.#store.now());
      await this.#put(`seen-${worker}`, { seen });
    };
    const note = () => void this.#note().catch(() => {});
    this.#timer = setInterval(note, noteEveryMs).unref();
    note();
  }

  async seenAt(worker: string): Promise<string | undefined> {
    const entry = await answered(this.#queue.getJob(`seen-${worker}`));
    const seen = entry?.data.seen;
    return seen === undefined ? undefined : new Date(seen).toISOString();
  }

  async keepEnd(job: string, run: string, lines: readonly string[]): Promise<void> {
    await this.#put(`log-${job}`, { run, lines });
  }

  async endOfLog(job: string, run: string): Promise<readonly string[]> {
    const entry = await answered(this.#queue.getJob(`log-${job}`));
    return entry?.data.run === run ? (entry.data.lines ?? []) : [];
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#note().catch(() => {});
    await this.#queue.close();
  }

  async #put(id: string, data: Entry): Promise<void> {
    const entry = await answered(this.#queue.getJob(id));
    if (entry === undefined) await answered(this.#queue.add('left', data, { jobId: id }));
    else await answered(entry.updateData(data));
  }
}
