/** The files of a configuration are watched from before they were read. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { looksOf, readTexts, watchTexts } from '../../src/cli/config-texts.js';
import { temporaryFolder } from '../kit/files/temporary.js';

test('a file that came after they were read, and before the watch began, is a change', async () => {
  const folder = await temporaryFolder();
  const file = join(folder, 'jobs.yml');
  writeFileSync(file, 'jobs: {}\n');
  const seen = await looksOf(file);
  expect((await readTexts(file)).more).toEqual([]);
  mkdirSync(join(folder, 'jobs.d'));
  writeFileSync(join(folder, 'jobs.d/a.yml'), 'jobs: {}\n');
  await new Promise<void>((changed) => {
    const end = watchTexts(file, seen, () => {
      end();
      changed();
    });
  });
  expect(await looksOf(file)).not.toBe(seen);
});
