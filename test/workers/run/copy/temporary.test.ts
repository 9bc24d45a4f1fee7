/** Which leftovers of an interrupted copy are gone on with, on this machine's file system. */
import { execFileSync } from 'node:child_process';
import { copyFileSync, linkSync, mkdirSync, readFileSync, statSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Budget } from '../../../../src/core/at-once.js';
import type { Endpoint } from '../../../../src/endpoints/endpoint.js';
import { FolderHandles } from '../../../../src/endpoints/local/folder-handles.js';
import { openLocal } from '../../../../src/endpoints/local/local.js';
import { Buffers } from '../../../../src/workers/run/copy/buffers.js';
import { Flight } from '../../../../src/workers/run/copy/chunks.js';
import { copyFile } from '../../../../src/workers/run/copy/copy-file.js';
import { markOf, temporaryPath } from '../../../../src/workers/run/copy/temporary-names.js';
import { temporaryFolder } from '../../../kit/files/temporary.js';
import { randomBytes, writeTree } from '../../../kit/files/tree.js';

const MiB = 1024 * 1024;
const writer = '0123456789ab';
const content = randomBytes(36 * MiB, 7);
const signal = new AbortController().signal;

/** Copies a file of which `leave` made a leftover of 34 MiB; resolves to the first byte that was read, and to what is left. */
async function copied(leave: (part: string, sound: string, outside: string) => void) {
  const folder = await temporaryFolder();
  const [from, to, sound, outside] = ['from', 'to', 'sound', 'outside'].map((it) =>
    join(folder, it),
  ) as [string, string, string, string];
  writeTree(from, { big: content }, { mtime: 1_600_000_000 });
  mkdirSync(to);
  writeTree(folder, {
    sound: content.subarray(0, 34 * MiB),
    outside: content.subarray(0, 34 * MiB),
  });
  const [source, destination] = [from, to].map(
    (path) => openLocal({ path, folders: new FolderHandles(path, path) }, path).endpoint,
  ) as [Endpoint, Endpoint];
  const before = await source.stat('big', signal);
  if (before === undefined) throw new Error('the source is gone');
  const mark = markOf(writer, ['big', before.size, before.mtime, before.identity]);
  const leftover = temporaryPath('big', mark, 0);
  leave(join(to, leftover), sound, outside);
  let first = Number.POSITIVE_INFINITY;
  const watched: Endpoint = {
    ...source,
    async open(...args) {
      const handle = await source.open(...args);
      return Object.assign(Object.create(handle), {
        read: (buffer: Buffer, position: number, s: AbortSignal) => {
          first = Math.min(first, position);
          return handle.read(buffer, position, s);
        },
        stat: (s: AbortSignal) => handle.stat(s),
        close: () => handle.close(),
      });
    },
  };
  const orphans = new Set<string>();
  await copyFile(
    { path: 'big', from: 'big', source: before, destination: undefined },
    {
      ...{ source: watched, destination, writer, signal, buffers: new Buffers(), orphans },
      flight: new Flight(),
      rules: { modes: 'source', verify: 'size', fsync: false, start: Date.now() },
      budget: new Budget(64 * MiB),
      largeFiles: new Budget(1),
      pass: undefined,
      onBytes: () => {},
      leftovers: new Map([[mark, [leftover]]]),
      isLive: undefined,
      doubts: undefined,
      times: undefined,
      trash: undefined,
    },
  );
  await Promise.all([source.close(), destination.close()]);
  expect(readFileSync(join(to, 'big')).equals(content)).toBe(true);
  expect(statSync(join(to, 'big')).nlink).toBe(1);
  expect(readFileSync(outside).length).toBe(34 * MiB);
  return { first, orphans: orphans.size };
}

test('a sound one, from its size less 32 MiB', async () => {
  const found = await copied((part, sound) => copyFileSync(sound, part));
  expect(found).toEqual({ first: 2 * MiB, orphans: 0 });
});

test.each<[string, Parameters<typeof copied>[0]]>([
  [
    'a hole',
    (part, sound) => {
      copyFileSync(sound, part);
      execFileSync('fallocate', ['--punch-hole', '--offset=0', '--length=65536', part]);
    },
  ],
  ['a second name', (part, _sound, outside) => linkSync(outside, part)],
  ['a link', (part, _sound, outside) => symlinkSync(outside, part)],
])('%s: it is left to be removed, and the file is written anew', async (_what, leave) => {
  expect(await copied(leave)).toEqual({ first: 0, orphans: 1 });
});
