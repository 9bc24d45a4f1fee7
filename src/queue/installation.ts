/** The id of the installation that shares a Redis or a Postgres: made once, and kept there for all its processes. */
import { Queue } from 'bullmq';
import { newInstallation } from '../state/installation.js';
import { answered } from './answered.js';
import { keepEvents, type Store } from './store/store.js';

const entryId = 'installation';

/** Reads the id, or makes it; of several processes at once, one makes it. */
export async function installationOf(
  store: Pick<Store, 'options' | 'backend'>,
  onError: (error: Error) => void,
): Promise<string> {
  const queue = new Queue<{ id: string }>(
    'ferryline-installation',
    { ...store.options(), ...keepEvents(10) },
    store.backend,
  );
  queue.on('error', onError);
  try {
    const known = await answered(queue.getJob(entryId));
    if (known?.data !== undefined) return known.data.id;
    await answered(queue.add('installation', { id: newInstallation() }, { jobId: entryId }));
    return (await answered(queue.getJob(entryId)))?.data.id ?? newInstallation();
  } finally {
    await queue.close();
  }
}
