/** A store, compared with what the state folder remembers of it. */
import { knowsOtherwise, rememberQueue } from '../state/installation.js';
import { installationOf } from './installation.js';
import type { Store } from './store/store.js';
import { openStoreMark, type StoreMark } from './store-mark.js';

export interface KnownStore {
  /** The installation's id. */
  readonly id: string;
  /** Notices when the store is emptied, and whether it was since the state folder was used with it. */
  readonly mark: StoreMark;
}

/** Resolves once the state folder remembers the store. Errors: `busy`, `config`, `network`. */
export async function openKnownStore(
  store: Store,
  state: string,
  onError: (error: Error) => void,
): Promise<KnownStore> {
  const { address } = store;
  const id = await installationOf(store, onError);
  const wasUsed = await knowsOtherwise(state, { id, address });
  const mark = await openStoreMark(store, onError, wasUsed);
  // Last: a process that ends before has told nobody that the store was emptied.
  if (store.kind !== 'embedded') await rememberQueue(state, { id, address });
  return { id, mark };
}
