/** Listing local folders in a thread: each answer goes to its own caller, and close ends them all. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { FolderHandles } from '../../../src/endpoints/local/folder-handles.js';
import { Lister } from '../../../src/endpoints/local/lister.js';
import { temporaryFolder } from '../../kit/files/temporary.js';

/** So many folders and files that most are listed in the thread. */
const folders = 100;
const files = 50;

let root: string;
const folder = (i: number) => `d${i}`;

beforeAll(async () => {
  root = await temporaryFolder();
  for (let i = 0; i < folders; i++) {
    mkdirSync(join(root, folder(i)));
    for (let f = 0; f < files; f++) writeFileSync(join(root, folder(i), `${i}-${f}`), '');
  }
});

test('each answer is that of its own folder, also next to folders that can not be listed', async () => {
  const lister = new Lister(new FolderHandles(root, root));
  for (let i = 0; i < folders; i++) await lister.list(folder(i)); // from here on the thread lists
  const asked = Array.from({ length: folders }, (_, i) =>
    lister.list(i % 7 === 3 ? `gone${i}` : folder(i)),
  );
  for (const [i, outcome] of (await Promise.allSettled(asked)).entries())
    if (i % 7 === 3)
      expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'ENOENT' } });
    else
      expect(outcome).toMatchObject({
        status: 'fulfilled',
        value: Array.from({ length: files }, () => ({
          name: expect.stringMatching(`^${i}-\\d+$`),
        })),
      });
  await lister.close();
});

test('close rejects pending and later listings, and late answers of the thread reach nobody', async () => {
  const lister = new Lister(new FolderHandles(root, root));
  for (let i = 0; i < folders; i++) await lister.list(folder(i));
  const before = Array.from({ length: folders }, (_, i) => lister.list(folder(i)));
  await before[0];
  const closing = lister.close();
  const after = Array.from({ length: folders }, () => lister.list(''));
  const outcomes = await Promise.allSettled([...before, ...after]);
  await closing;
  for (const [i, outcome] of outcomes.slice(0, folders).entries())
    if (outcome.status === 'fulfilled')
      expect(outcome.value[0]?.name).toMatch(new RegExp(`^${i}-`));
  expect(outcomes[folders - 1]).toMatchObject({ reason: { message: 'the listing was closed' } });
  for (const outcome of outcomes.slice(folders))
    expect(outcome).toMatchObject({ reason: { message: 'the listing was closed' } });
});
