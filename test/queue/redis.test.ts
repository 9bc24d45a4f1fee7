import { openStore } from '../../src/queue/store.js';
import { startRedis } from '../kit/redis.js';
import { queueSuite } from '../queue-suite.js';

queueSuite('Redis', async () => {
  const redis = await startRedis();
  const open = () =>
    openStore({ url: redis.url, folder: '', onTrouble: () => {}, onWarning: () => {} });
  const stores = [await open(), await open()] as const;
  return {
    stores,
    async stop() {
      await Promise.all(stores.map((store) => store.close()));
      await redis.stop();
    },
  };
});
