/** A root whose name has no letters cannot show whether its file system ignores case. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openLocalSide } from '../../../src/endpoints/open-local.js';
import { temporaryFolder } from '../../kit/files/temporary.js';

test.each([
  ['letters', true],
  ['2026', false],
])('a local destination "%s" counts as telling case apart: %s', async (name, tells) => {
  const path = join(await temporaryFolder(), name);
  mkdirSync(path);
  const location = { label: path, path, remote: undefined } as never;
  const { endpoint } = await openLocalSide(location, 'to', false);
  expect(endpoint.can.caseSensitive).toBe(tells);
  await endpoint.close();
});
