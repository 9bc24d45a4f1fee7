import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { openSide } from '../../src/endpoints/open.js';
import { createPool } from '../../src/endpoints/sftp/pool.js';
import { endpointSuite, outsideOf } from '../endpoint-suite.js';
import { temporaryFolder } from '../kit/temporary.js';

endpointSuite('local', async () => {
  const root = join(await temporaryFolder(), 'root');
  mkdirSync(root);
  const place = { remote: undefined, path: root, label: './root' };
  const { signal } = new AbortController();
  const { endpoint } = await openSide(place, 'to', createPool(), signal);
  return { endpoint, outside: outsideOf(root), close: () => endpoint.close() };
});
