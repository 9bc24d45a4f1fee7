/** A storm of changes, the same for each seed: afterwards every file that exists has been reported. */
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join, relative } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { settle, watched } from '../../kit/daemons/watching.js';
import { random } from '../../kit/files/tree.js';

/** Makes, writes, replaces, moves and removes files and folders, with short pauses at most. */
async function storm(root: string, seed: number): Promise<void> {
  const next = random(seed);
  const below = (n: number) => Math.floor(next() * n);
  const folders = [''];
  const some = () => folders[below(folders.length)] as string;
  const at = (path: string) => join(root, path);
  const write = (folder: string, text: string) => {
    mkdirSync(at(folder), { recursive: true });
    writeFileSync(at(join(folder, `f${below(5)}`)), text);
  };
  for (let i = 0; i < 600; i++) {
    const folder = some();
    switch (below(7)) {
      case 0: {
        const deeper = join(folder, `d${below(4)}`);
        if (deeper.split('/').length > 5) break;
        write(deeper, 'new');
        folders.push(deeper);
        break;
      }
      case 1:
        write(folder, `again ${i}`);
        break;
      case 2:
        if (existsSync(at(folder))) appendFileSync(at(join(folder, `f${below(5)}`)), 'more');
        break;
      case 3: {
        write(folder, 'old');
        writeFileSync(at(join(folder, 'temporary')), `${i}`);
        renameSync(at(join(folder, 'temporary')), at(join(folder, `f${below(5)}`)));
        break;
      }
      case 4: {
        const to = join(some(), `m${below(4)}`);
        if (folder === '' || to.startsWith(folder) || !existsSync(at(folder)) || existsSync(at(to)))
          break;
        mkdirSync(at(join(to, '..')), { recursive: true });
        renameSync(at(folder), at(to));
        folders.push(to);
        break;
      }
      case 5:
        if (folder === '' || below(2) === 0) break;
        rmSync(at(folder), { recursive: true, force: true });
        if (below(2) === 0) write(folder, 'in its place');
        break;
      default:
        await sleep(below(12));
    }
  }
}

function filesBelow(root: string): { readonly folder: string; readonly changed: number }[] {
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => ({
      folder: relative(root, entry.parentPath),
      changed: statSync(join(entry.parentPath, entry.name)).ctimeMs,
    }));
}

test.each([1, 2, 3])('seed %d', (seed) => weather(seed));

test.each([4, 5])('polled, seed %d', (seed) => weather(seed, 50));

async function weather(seed: number, poll?: number): Promise<void> {
  const reported = new Map<string, number>();
  const watch = await watched({
    poll,
    onSettled: (folders) => {
      for (const folder of folders) reported.set(folder, Date.now());
    },
  });
  await watch.ready;
  const root = watch.at('');
  await storm(root, seed);
  const files = filesBelow(root);
  expect(files.length).toBeGreaterThan(20);
  await watch.until(() =>
    files.every(({ folder, changed }) => (reported.get(folder) ?? 0) >= changed + settle - 15),
  );
  // no folder was lost on the way
  const folders = [...new Set(files.map(({ folder }) => folder))];
  reported.clear();
  for (const folder of folders) watch.write(join(folder, 'later'));
  await watch.until(() => folders.every((folder) => reported.has(folder)));
  expect(watch.rescans).toEqual(['start']);
  await watch.close();
}
