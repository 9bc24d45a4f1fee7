/**
 * What a store records of itself: the id of the installation that shares it, and the version of its
 * layout, made once and kept for all processes. Builds of one layout work side by side.
 */
import { Queue } from 'bullmq';
import { FerryError } from '../core/errors.js';
import { count } from '../core/text.js';
import { newInstallation } from '../state/installation.js';
import { answered } from './answered.js';
import { earlierProcesses } from './earlier-processes.js';
import { keepEvents, type Store } from './store/store.js';

/**
 * The layout of what this build keeps in a store: its queues, the form of their entries, the messages
 * between processes. Layout 1 had no mark. One that adds something older builds can do without keeps the number.
 */
export const storeLayout = 2;

interface StoreRecord {
  readonly id: string;
  /** Absent: layout 1. */
  readonly layout?: number;
}

const entryId = 'installation';

/**
 * Reads the installation's id, or makes it; of several processes at once, one makes it. A store of an
 * earlier layout gets this one's mark, unless a process of that layout still uses it. Errors: `busy`
 * then, `config` for a store with the mark of a newer layout, `network`. A store that was emptied gets back the id that it `lost`.
 */
export async function installationOf(
  store: Pick<Store, 'kind' | 'options' | 'backend' | 'queueName'>,
  onError: (error: Error) => void,
  lost?: string,
): Promise<string> {
  const queue = new Queue<StoreRecord>(
    store.queueName('installation'),
    { ...store.options(), ...keepEvents(10) },
    store.backend,
  );
  queue.on('error', onError);
  try {
    const known = await answered(queue.getJob(entryId));
    const { layout = 1 } = known?.data ?? {};
    if (layout > storeLayout) throw tooNew(layout);
    if (known !== undefined && layout === storeLayout) return known.data.id;
    const earlier = await earlierProcesses(store);
    if (earlier.length > 0) throw inUseByEarlier(earlier);
    const record = { id: known?.data.id ?? lost ?? newInstallation(), layout: storeLayout };
    if (known !== undefined) await answered(known.updateData(record));
    else await answered(queue.add('installation', record, { jobId: entryId }));
    return (await answered(queue.getJob(entryId)))?.data.id ?? record.id;
  } finally {
    await queue.close();
  }
}

function tooNew(layout: number): FerryError {
  return new FerryError(
    'config',
    `the queue has layout ${layout}, made by a newer ferryline; this version knows layouts up to ${storeLayout}`,
    { hint: 'start the newer version, or give this one a queue of its own' },
  );
}

function inUseByEarlier(earlier: readonly string[]): FerryError {
  const places = earlier.filter((place) => place !== '');
  const where = places.length === 0 ? '' : ` (connected from ${places.join(', ')})`;
  return new FerryError(
    'busy',
    `${count(earlier.length, 'process', 'processes')} of an earlier version of ferryline still ${earlier.length === 1 ? 'uses' : 'use'} the queue${where}; its layout is 1, and this version makes it ${storeLayout}`,
    {
      hint: 'stop every daemon of the earlier version, then start this one: what waits in the queue is taken over',
    },
  );
}
