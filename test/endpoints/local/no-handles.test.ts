/** A local side where open folders are no paths: each folder on the way is looked at before its name is used. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { openLocalSide } from '../../../src/endpoints/open-local.js';
import { temporaryFolder } from '../../kit/files/temporary.js';
import { endpointSuite, outsideOf } from '../../suites/endpoint-suite.js';

// seen by what is imported above; the rest of the test runs on this machine
vi.hoisted(() => vi.spyOn(process, 'platform', 'get').mockReturnValue('darwin'));
vi.restoreAllMocks();

async function open() {
  const root = join(await temporaryFolder(), 'root');
  mkdirSync(root);
  const side = await openLocalSide({ remote: undefined, path: root, label: './root' }, 'to', false);
  return { ...side, outside: outsideOf(root), close: () => side.endpoint.close() };
}

endpointSuite('local, without handles', open);

test('a link on the way is refused here, too, and the report can say that no more is known', async () => {
  const { endpoint, outside, isConfined, close } = await open();
  outside.put('d', { link: '..' });
  const { signal } = new AbortController();
  await expect(endpoint.stat('d/root', signal)).rejects.toMatchObject({ code: 'ELOOP' });
  await expect(endpoint.list('d', signal)).rejects.toMatchObject({ code: 'ELOOP' });
  expect(isConfined).toBe(false);
  await close();
});
