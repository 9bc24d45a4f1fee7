/** A folder is listed by its text only where nothing on the way to it was changed, not even for a moment. */
import { mkdirSync, realpathSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { beforeEach, describe, expect, test } from 'vitest';
import { QuietWay } from '../../../src/endpoints/local/quiet-way.js';
import { temporaryFolder } from '../../kit/files/temporary.js';

let home: string;
let folder: string;

beforeEach(async () => {
  home = realpathSync(await temporaryFolder());
  folder = join(home, 'a/b/c');
  mkdirSync(folder, { recursive: true });
  mkdirSync(join(home, 'outside/b/c'), { recursive: true });
});

/** A way on which a list has succeeded: other tests change the folder for temporary files now and then. */
async function quiet(): Promise<QuietWay> {
  for (;;) {
    await wait(40);
    const way = new QuietWay();
    if (way.list(folder, folder, (prefix) => prefix) === `${folder}/`) return way;
  }
}

const changes: Readonly<Record<string, (at: string) => void>> = {
  'the folder above is exchanged for a link, and back': (at) => {
    renameSync(join(at, 'a'), join(at, 'away'));
    symlinkSync('outside', join(at, 'a'));
    rmSync(join(at, 'a'));
    renameSync(join(at, 'away'), join(at, 'a'));
  },
  'the folder itself is moved away, and back': (at) => {
    renameSync(join(at, 'a/b/c'), join(at, 'away'));
    renameSync(join(at, 'away'), join(at, 'a/b/c'));
  },
  'the folder itself gives its place to another one': (at) => {
    renameSync(join(at, 'a/b/c'), join(at, 'away'));
    renameSync(join(at, 'outside/b/c'), join(at, 'a/b/c'));
  },
};

describe('a change on the way while a folder is listed: the list counts for nothing', () => {
  for (const [what, change] of Object.entries(changes))
    test(what, async () => {
      const way = await quiet();
      const listed = way.list(folder, folder, () => {
        change(home);
        return 'listed';
      });
      expect(listed).toBeUndefined();
    });
});

test('a folder that is not the one in hand is not listed', async () => {
  const way = await quiet();
  expect(way.list(folder, join(home, 'outside'), () => 'listed')).toBeUndefined();
});

test('one above which something has just been changed is not listed by its text', async () => {
  await quiet();
  mkdirSync(join(home, 'a/b/new'));
  expect(new QuietWay().list(folder, folder, () => 'listed')).toBeUndefined();
});
