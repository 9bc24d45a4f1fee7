import { openStore } from '../../../src/queue/store/store.js';
import { startPostgres } from '../../kit/servers/postgres.js';
import { queueSuite } from '../../suites/queue-suite.js';

queueSuite('PostgreSQL', async () => {
  const postgres = await startPostgres();
  const open = () =>
    openStore({ url: postgres.url, folder: '', onTrouble: () => {}, onWarning: () => {} });
  const stores = [await open(), await open()] as const;
  return {
    stores,
    async stop() {
      await Promise.all(stores.map((store) => store.close()));
      await postgres.stop();
    },
  };
});
