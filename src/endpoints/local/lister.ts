/**
 * Lists local folders: in this thread while there are few entries, in a thread of its own once a tree
 * turns out to be large. Starting that thread costs some 30 ms, which a small job should not pay.
 */
import { Worker } from 'node:worker_threads';
import type { Entry } from '../../core/entry.js';
import type { FolderHandles } from './folder-handles.js';
import { ListAhead } from './list-ahead.js';
import { listFlat, toEntries } from './list-local.js';
import type { ListAnswer } from './list-worker.js';

/** The thread is started once this many entries were listed here. */
const entriesBeforeThread = 2000;
/** Folders in one message to the thread, which has two such messages at most; more wait here, so that answers arrive steadily. */
const foldersPerMessage = 16;
/** Memory for the thread's short-lived objects; V8 would take many times as much by default. */
const youngGenerationMb = 6;
/** Folders listed ahead at the same time. */
const foldersAhead = 2 * foldersPerMessage;

const closedMessage = 'the listing was closed';

interface PendingListing {
  readonly resolve: (entries: Entry[]) => void;
  readonly reject: (error: unknown) => void;
}

export class Lister {
  #entriesListed = 0;
  #thread: Worker | undefined;
  #sendScheduled = false;
  /** Whether the thread could not start or died; it is not used again. */
  #failed = false;
  #closed = false;
  #inThread = 0;
  /** Paths to send to the thread. */
  readonly #queue: string[] = [];
  /** Listings by the thread, in the order in which it answers. */
  readonly #pending: PendingListing[] = [];
  readonly #ahead = new ListAhead((path) => this.#list(path), foldersAhead);
  readonly #folders: FolderHandles;

  constructor(folders: FolderHandles) {
    this.#folders = folders;
  }

  /** Begins to list the whole tree before anybody asks, while a connection is being made. */
  ahead(): void {
    this.#ahead.start('');
  }

  /** The entries of the folder at a relative path; rejects with the system's error. */
  list(path: string): Promise<Entry[]> {
    return this.#ahead.take(path) ?? this.#list(path);
  }

  /** Rejects pending listings and all later ones; resolves once the thread has ended. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#ahead.stop();
    this.#rejectAll(new Error(closedMessage));
    await this.#thread?.terminate();
  }

  async #list(path: string): Promise<Entry[]> {
    // one folder a turn, so that the rest of the program runs in between
    await new Promise((next) => setImmediate(next));
    if (this.#closed) throw new Error(closedMessage);
    if (this.#entriesListed < entriesBeforeThread || this.#failed) {
      const entries = toEntries(listFlat(this.#folders, path));
      this.#entriesListed += entries.length;
      return entries;
    }
    this.#thread ??= this.#start();
    return new Promise((resolve, reject) => {
      this.#pending.push({ resolve, reject });
      this.#queue.push(path);
      if (!this.#sendScheduled) {
        this.#sendScheduled = true;
        setImmediate(this.#send);
      }
    });
  }

  readonly #send = () => {
    this.#sendScheduled = false;
    while (this.#queue.length > 0 && this.#inThread < 2 * foldersPerMessage) {
      const paths = this.#queue.splice(0, foldersPerMessage);
      this.#inThread += paths.length;
      this.#thread?.postMessage(paths);
    }
  };

  #rejectAll(error: unknown): void {
    this.#queue.length = 0;
    for (const { reject } of this.#pending.splice(0)) reject(error);
  }

  #start(): Worker {
    const thread = new Worker(new URL('./list-worker.js', import.meta.url), {
      workerData: this.#folders.forThread(),
      resourceLimits: { maxYoungGenerationSizeMb: youngGenerationMb },
    });
    thread.on('message', (answers: readonly ListAnswer[]) => {
      if (this.#closed) return;
      this.#inThread -= answers.length;
      for (const answer of answers) {
        const listing = this.#pending.shift();
        if ('flat' in answer) listing?.resolve(toEntries(answer.flat));
        else listing?.reject(Object.assign(new Error(answer.error.message), answer.error));
      }
      this.#send();
    });
    const gone = (error: unknown) => {
      this.#failed = true;
      this.#rejectAll(error);
      void thread.terminate();
    };
    thread.on('error', gone);
    thread.on('messageerror', gone);
    thread.unref();
    return thread;
  }
}
