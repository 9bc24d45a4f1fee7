/**
 * Who lists local folders: this thread while there are few, a thread of its own once a tree turns
 * out to be large. Starting one costs some 30 ms, which a small job should not pay.
 */
import { Worker } from 'node:worker_threads';
import type { Entry } from '../../core/entry.js';
import { listFlat, toEntries } from './list-local.js';
import type { ListAnswer } from './list-worker.js';

/** Entries listed here before the thread is started. */
const few = 2000;
/** Questions the thread is given at once; more are kept here, so that answers come in steadily. */
const batch = 16;

/** Memory for what the thread makes and gives away at once, MB; left to itself it would take many times as much. */
const young = 6;

/** Folders listed ahead of being asked for, how many of them at once, and the entries in them after which it ends. */
const mostAhead = { folders: 512, atOnce: 2 * batch, entries: 100_000 };

const wasClosed = 'the listing was closed';

export interface Lister {
  /** Begins to list a tree before anybody asks, beside the wait for a connection. */
  ahead(path: string): void;
  /** The folder's entries; rejects with the system's error. */
  list(path: string): Promise<Entry[]>;
  /** Rejects all that is asked for and not listed yet, and whatever comes later. */
  close(): Promise<void>;
}

interface Waiting {
  readonly resolve: (entries: Entry[]) => void;
  readonly reject: (error: unknown) => void;
}

export function createLister(): Lister {
  let listed = 0;
  let worker: Worker | undefined;
  let scheduled = false;
  /** A thread that could not start or went down is not asked again. */
  let failed = false;
  let closed = false;
  let outside = 0;
  const queue: string[] = [];
  /** Those who asked, in the order in which the thread answers. */
  const waiting: Waiting[] = [];

  const send = () => {
    scheduled = false;
    while (queue.length > 0 && outside < 2 * batch) {
      const paths = queue.splice(0, batch);
      outside += paths.length;
      worker?.postMessage(paths);
    }
  };

  const failAll = (error: unknown) => {
    queue.length = 0;
    for (const { reject } of waiting.splice(0)) reject(error);
  };

  const start = (): Worker => {
    const thread = new Worker(new URL('./list-worker.js', import.meta.url), {
      resourceLimits: { maxYoungGenerationSizeMb: young },
    });
    thread.on('message', (answers: readonly ListAnswer[]) => {
      if (closed) return;
      outside -= answers.length;
      for (const answer of answers) {
        const asked = waiting.shift();
        if ('flat' in answer) asked?.resolve(toEntries(answer.flat));
        else asked?.reject(Object.assign(new Error(answer.error.message), answer.error));
      }
      send();
    });
    const gone = (error: unknown) => {
      failed = true;
      failAll(error);
      void thread.terminate();
    };
    thread.on('error', gone);
    thread.on('messageerror', gone);
    thread.unref();
    return thread;
  };

  const list = async (path: string): Promise<Entry[]> => {
    // one folder a turn, so that the rest of the program goes on in between
    await new Promise((next) => setImmediate(next));
    if (closed) throw new Error(wasClosed);
    if (listed < few || failed) {
      const entries = toEntries(listFlat(path));
      listed += entries.length;
      return entries;
    }
    worker ??= start();
    return new Promise((resolve, reject) => {
      waiting.push({ resolve, reject });
      queue.push(path);
      if (!scheduled) {
        scheduled = true;
        setImmediate(send);
      }
    });
  };

  /** What was listed ahead and not yet asked for. */
  const found = new Map<string, Promise<Entry[]>>();
  /** Folders to list ahead, and how far that is. */
  const coming: string[] = [];
  let running = 0;
  let entriesAhead = 0;
  let asked = false;

  const goAhead = () => {
    while (running < mostAhead.atOnce && !asked && !closed) {
      const path = coming.shift();
      const enough = found.size >= mostAhead.folders || entriesAhead >= mostAhead.entries;
      if (path === undefined || enough) return;
      running++;
      const listing = list(path);
      found.set(path, listing);
      listing.then(
        (entries) => {
          running--;
          entriesAhead += entries.length;
          for (const { name, kind } of entries)
            if (kind === 'folder') coming.push(`${path === '/' ? '' : path}/${name}`);
          goAhead();
        },
        () => {
          running--; // whoever asks hears of it
          goAhead();
        },
      );
    }
  };

  return {
    ahead(path) {
      coming.push(path);
      goAhead();
    },
    list(path) {
      asked = true;
      const listing = found.get(path) ?? list(path);
      found.delete(path);
      return listing;
    },
    async close() {
      closed = true;
      failAll(new Error(wasClosed));
      await worker?.terminate();
    },
  };
}
