/** A thread that lists local folders, so that a large tree is listed while this process works on the network. */
import { parentPort, workerData } from 'node:worker_threads';
import { FolderHandles, type RootAt } from './folder-handles.js';
import { type FlatListing, listFlat } from './list-local.js';

export type ListAnswer =
  | { readonly flat: FlatListing }
  | { readonly error: { readonly message: string; readonly code?: string } };

/** The thread's own handles, from one on the root. */
const { at, text } = workerData as RootAt;
const folders = new FolderHandles(at, text);

parentPort?.on('message', (paths: readonly string[]) => {
  const buffers: ArrayBuffer[] = [];
  const answers = paths.map((path): ListAnswer => {
    try {
      const flat = listFlat(folders, path);
      buffers.push(flat.numbers.buffer as ArrayBuffer);
      return { flat };
    } catch (error) {
      const { message, code } = error as NodeJS.ErrnoException;
      return { error: code === undefined ? { message } : { message, code } };
    }
  });
  parentPort?.postMessage(answers, buffers);
});
