import pg from 'pg';
import { expect, test, vi } from 'vitest';
import { openSignals } from '../../../src/queue/signals.js';
import { openStore } from '../../../src/queue/store/store.js';
import { startPostgres } from '../../kit/servers/postgres.js';
import { queueSuite } from '../../suites/queue-suite.js';

queueSuite('PostgreSQL', async () => {
  const postgres = await startPostgres();
  const stores = [await openAt(postgres.url), await openAt(postgres.url)] as const;
  return {
    stores,
    async stop() {
      await Promise.all(stores.map((store) => store.close()));
      await postgres.stop();
    },
  };
});

test('an event whose transaction commits after that of a later event is not missed', async () => {
  const postgres = await startPostgres();
  const store = await openAt(postgres.url);
  const signals = await openSignals(store, () => {});
  const heard: string[] = [];
  signals.on('cancel', ({ run }) => heard.push(run));
  const slow = new pg.Client({ connectionString: postgres.url });
  await slow.connect();
  await slow.query('BEGIN');
  await slow.query(
    `INSERT INTO bullmq.event (queue, event, data, created_at_ms) VALUES ('ferryline-signals', 'cancel', '{"run": "first"}', 0)`,
  );
  await signals.send('cancel', { run: 'second' });
  await vi.waitFor(() => expect(heard).toEqual(['second']), 5000);
  await slow.query('COMMIT');
  await slow.end();
  await signals.send('cancel', { run: 'third' });
  await vi.waitFor(() => expect(heard.toSorted()).toEqual(['first', 'second', 'third']), 5000);
  await signals.send('cancel', { run: 'fourth' });
  await vi.waitFor(() => expect(heard.at(-1)).toBe('fourth'), 5000);
  expect(heard).toHaveLength(4);
  await signals.close();
  await store.close();
  await postgres.stop();
});

function openAt(url: string) {
  return openStore({ url, folder: '', onTrouble: () => {}, onWarning: () => {} });
}
