import { openStore } from '../../../src/queue/store/store.js';
import { temporaryFolder } from '../../kit/files/temporary.js';
import { queueSuite } from '../../suites/queue-suite.js';

queueSuite('embedded', async () => {
  const folder = await temporaryFolder();
  const store = await openStore({
    url: 'embedded',
    folder,
    onTrouble: () => {},
    onWarning: () => {},
  });
  return { stores: [store, store], stop: () => store.close() };
});
