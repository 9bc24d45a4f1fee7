/**
 * Processes of builds from before the store had a mark of its layout. They don't look at the mark, so
 * they are found by their connections: each listens to the queue `ferryline-signals`, which BullMQ shows in
 * the connection's name. Later builds listen to another queue (signals.ts).
 */
import { Queue } from 'bullmq';
import { answered } from './answered.js';
import type { Store } from './store/store.js';

/** Where each is connected from, as `host:port`; '' where the store does not say. Empty where the store does not list its clients. */
export async function earlierProcesses(
  store: Pick<Store, 'kind' | 'options' | 'backend' | 'queueName'>,
): Promise<string[]> {
  if (store.kind === 'embedded') return [];
  const options = store.options();
  const queue = new Queue(
    store.queueName('signals'),
    { ...options, skipMetasUpdate: true },
    store.backend,
  );
  queue.on('error', () => {});
  try {
    // Redis lists the clients of all its databases.
    const { db } = (options.connection as { options?: { db?: number } }).options ?? {};
    const clients = await answered(queue.getQueueEvents());
    return clients
      .filter((client) => db === undefined || client.db === undefined || client.db === `${db}`)
      .map(({ addr = '' }) => addr);
  } catch {
    // An account that may not list clients: the mark of the layout is all there is.
    return [];
  } finally {
    await queue.close();
  }
}
