/** A thread that lists local folders, so that a large tree is walked beside the network's work. */
import { parentPort } from 'node:worker_threads';
import { type FlatListing, listFlat } from './list-local.js';

export interface ListQuestion {
  readonly id: number;
  readonly path: string;
}

export type ListAnswer =
  | { readonly id: number; readonly flat: FlatListing }
  | { readonly id: number; readonly error: { readonly message: string; readonly code?: string } };

parentPort?.on('message', (questions: readonly ListQuestion[]) => {
  const buffers: ArrayBuffer[] = [];
  const answers = questions.map(({ id, path }): ListAnswer => {
    try {
      const flat = listFlat(path);
      buffers.push(flat.numbers.buffer as ArrayBuffer);
      return { id, flat };
    } catch (error) {
      const { message, code } = error as NodeJS.ErrnoException;
      return { id, error: code === undefined ? { message } : { message, code } };
    }
  });
  parentPort?.postMessage(answers, buffers);
});
