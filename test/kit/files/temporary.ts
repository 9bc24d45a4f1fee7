/** Temporary folders that end with the test file. */
import { mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { aroundAll } from 'vitest';

/** A fresh folder, removed after the file's last test. */
export async function temporaryFolder(): Promise<string> {
  const folder = await realpath(await mkdtemp(join(tmpdir(), 'ferryline-test-')));
  folders.push(folder);
  return folder;
}

const folders: string[] = [];

// Around everything: fixtures of the file end after `afterAll`, and servers still use their folders.
aroundAll(async (runTests) => {
  await runTests();
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true, force: true });
});
