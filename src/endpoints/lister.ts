/**
 * Who lists local folders: this thread while there are few, a thread of its own once a tree turns
 * out to be large. Starting one costs some 30 ms, which a small job should not pay.
 */
import { Worker } from 'node:worker_threads';
import type { Entry } from '../core/entry.js';
import { listFlat, toEntries } from './list-local.js';
import type { ListAnswer, ListQuestion } from './list-worker.js';

/** Entries listed here before the thread is started. */
const few = 2000;
/** Questions the thread is given at once; more are kept here, so that answers come in steadily. */
const batch = 16;

/** Folders listed ahead of being asked for. */
const mostAhead = 512;

export interface Lister {
  /** Begins to list a tree before anybody asks, beside the wait for a connection. */
  ahead(path: string): void;
  /** The folder's entries; rejects with the system's error. */
  list(path: string): Promise<Entry[]>;
  close(): Promise<void>;
}

interface Waiting {
  readonly resolve: (entries: Entry[]) => void;
  readonly reject: (error: unknown) => void;
}

export function createLister(): Lister {
  let listed = 0;
  let worker: Worker | undefined;
  let nextId = 1;
  let scheduled = false;
  /** A thread that could not start or went down is not asked again. */
  let failed = false;
  let outside = 0;
  const queue: ListQuestion[] = [];
  const waiting = new Map<number, Waiting>();

  const send = () => {
    scheduled = false;
    while (queue.length > 0 && outside < 2 * batch) {
      const questions = queue.splice(0, batch);
      outside += questions.length;
      worker?.postMessage(questions);
    }
  };

  const failAll = (error: unknown) => {
    for (const { reject } of waiting.values()) reject(error);
    waiting.clear();
  };

  const start = (): Worker => {
    const thread = new Worker(new URL('./list-worker.js', import.meta.url));
    thread.on('message', (answers: readonly ListAnswer[]) => {
      outside -= answers.length;
      for (const answer of answers) {
        const asked = waiting.get(answer.id);
        waiting.delete(answer.id);
        if ('flat' in answer) asked?.resolve(toEntries(answer.flat));
        else asked?.reject(Object.assign(new Error(answer.error.message), answer.error));
      }
      send();
    });
    thread.on('error', (error) => {
      failed = true;
      failAll(error);
    });
    thread.unref();
    return thread;
  };

  const list = async (path: string): Promise<Entry[]> => {
    // one folder a turn, so that the rest of the program goes on in between
    await new Promise((next) => setImmediate(next));
    if (listed < few || failed) {
      const entries = toEntries(listFlat(path));
      listed += entries.length;
      return entries;
    }
    worker ??= start();
    return new Promise((resolve, reject) => {
      const id = nextId++;
      waiting.set(id, { resolve, reject });
      queue.push({ id, path });
      if (!scheduled) {
        scheduled = true;
        setImmediate(send);
      }
    });
  };

  /** What was listed ahead and not yet asked for. */
  const found = new Map<string, Promise<Entry[]>>();
  let asked = false;

  const ahead = (path: string) => {
    if (asked || found.size >= mostAhead) return;
    const listing = list(path);
    found.set(path, listing);
    listing.then(
      (entries) => {
        for (const { name, kind } of entries)
          if (kind === 'folder') ahead(`${path === '/' ? '' : path}/${name}`);
      },
      () => {}, // whoever asks hears of it
    );
  };

  return {
    ahead,
    list(path) {
      asked = true;
      const listing = found.get(path) ?? list(path);
      found.delete(path);
      return listing;
    },
    async close() {
      failAll(new Error('the listing was closed'));
      await worker?.terminate();
    },
  };
}
