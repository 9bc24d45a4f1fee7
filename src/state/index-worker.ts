/** A thread that makes runs.index from the reports: reading a hundred thousand of them takes seconds. run-index.ts starts it and waits. */
import { parentPort, workerData } from 'node:worker_threads';
import { type RebuiltIndex, rebuildIndex } from './index-file.js';

/** The one message of the thread. `text` is left out where the file has it. */
export type IndexResult = Partial<RebuiltIndex> & { readonly error?: string };

void rebuildIndex(workerData as string)
  .then(({ text, unwritten }): IndexResult => (unwritten === undefined ? {} : { text, unwritten }))
  .catch((error: Error): IndexResult => ({ error: error.message }))
  .then((result) => parentPort?.postMessage(result));
