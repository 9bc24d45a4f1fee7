import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { vi } from 'vitest';
import { openSide } from '../../../src/endpoints/open.js';
import { SessionPool } from '../../../src/endpoints/sftp/pool.js';
import { temporaryFolder } from '../../kit/files/temporary.js';
import { endpointSuite, outsideOf } from '../../suites/endpoint-suite.js';

async function open() {
  const root = join(await temporaryFolder(), 'root');
  mkdirSync(root);
  const place = { remote: undefined, path: root, label: './root' };
  const { signal } = new AbortController();
  const { endpoint } = await openSide(place, 'to', new SessionPool(), signal);
  return { endpoint, outside: outsideOf(root), close: () => endpoint.close() };
}

endpointSuite('local', open);

endpointSuite('local, on a disk that seems slow, so that calls go to the thread pool', async () => {
  let late = 0;
  const now = performance.now.bind(performance);
  const clock = vi.spyOn(performance, 'now').mockImplementation(() => now() + 5 * ++late);
  const { endpoint, outside } = await open();
  await endpoint.stat('', new AbortController().signal); // the slow one
  return {
    endpoint,
    outside,
    close: async () => {
      clock.mockRestore();
      await endpoint.close();
    },
  };
});
