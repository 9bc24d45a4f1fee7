/** How the trash keeps an old file: which way it takes, and where it goes if the name is taken. */
import { expect, test } from 'vitest';
import { Budget } from '../../../../src/core/at-once.js';
import { FerryError } from '../../../../src/core/errors.js';
import { Buffers } from '../../../../src/workers/run/copy/buffers.js';
import { Flight } from '../../../../src/workers/run/copy/chunks.js';
import type { CopyContext } from '../../../../src/workers/run/copy/copy-context.js';
import { Trash } from '../../../../src/workers/run/trash/trash.js';
import { type Faulty, failing, faulty, type Script } from '../../../kit/servers/faulty.js';
import { type MemoryOptions, memoryEndpoint } from '../../../kit/servers/memory.js';

const run = '20261130T020000Z-00abcdef';
const signal = new AbortController().signal;

function open(tree: MemoryOptions['tree'], script: Script = {}, can: MemoryOptions['can'] = {}) {
  const memory = memoryEndpoint({ can, ...(tree === undefined ? {} : { tree }) });
  const side: Faulty = faulty(memory, script);
  const trash = new Trash(side, { dir: 'bin', keep: undefined }, run, signal);
  const context: CopyContext = {
    ...{ source: side, destination: side, signal, buffers: new Buffers(), onBytes: () => {} },
    flight: new Flight(),
    writer: 'abcdef012345',
    rules: { modes: 'source', verify: 'size', fsync: false, start: Date.now() },
    budget: new Budget(1024 * 1024),
    largeFiles: new Budget(1),
    pass: undefined,
    leftovers: new Map(),
    orphans: new Set(),
    isLive: undefined,
    doubts: undefined,
    times: undefined,
    trash,
  };
  const keep = async (path: string) => {
    const seen = await memory.stat(path, signal);
    if (seen === undefined) throw new Error(`there is no ${path}`);
    return trash.keep(path, seen, context);
  };
  const asked = (method: string) => side.calls.filter((call) => call.method === method).length;
  return { memory, side, trash, keep, asked };
}

test('a hard link, and no byte is read', async () => {
  const { memory, keep, asked } = open({ 'd/a': 'old' });
  expect(await keep('d/a')).toBe('kept');
  expect(memory.tree()).toEqual({ 'd/a': 'old', [`bin/${run}/d/a`]: 'old' });
  expect(['link', 'open', 'readWhole', 'stat'].map(asked)).toEqual([1, 0, 0, 0]);
});

test.each([
  ['EPERM', true],
  ['EMLINK', true],
  ['ENOTSUP', true],
  ['ENOSPC', false],
  ['EROFS', false],
] as const)('a hard link is refused by %s: copied: %s', async (code, copied) => {
  const refusal = new FerryError('io', 'refused', { code });
  const { memory, keep } = open(
    { a: 'old' },
    failing('link', () => true, refusal),
  );
  if (copied) expect(await keep('a')).toBe('kept');
  else
    await expect(keep('a')).rejects.toMatchObject({
      ...{ kind: 'io', code, path: 'a' },
      message: expect.stringContaining('kept in the trash'),
      hint: expect.stringContaining('nothing was overwritten'),
    });
  expect(memory.bytes(`bin/${run}/a`)?.toString()).toBe(copied ? 'old' : undefined);
});

test.each([
  ['the side copies it', { hardLinks: false }, 'kept', 'handle.copyFrom'],
  ['it is copied through us', { hardLinks: false, copyData: false }, 'kept', 'readWhole'],
  ['it is set aside', { hardLinks: false, atomicReplace: false }, 'aside', undefined],
  ['a hard link even so', { atomicReplace: false }, 'kept', 'link'],
] as const)('without some abilities: %s', async (_way, can, kept, method) => {
  const { memory, keep, asked } = open({ a: 'old' }, {}, can);
  expect(await keep('a')).toBe(kept);
  expect(memory.bytes(`bin/${run}/a`)?.toString()).toBe(kept === 'kept' ? 'old' : undefined);
  if (method !== undefined) expect(asked(method)).toBe(1);
});

test('three hard links that the side does not support are asked for, and no more', async () => {
  const tree = { a: '1', b: '2', c: '3', d: '4' };
  const no = new FerryError('io', 'no', { code: 'ENOTSUP' });
  const { side, keep, asked } = open(
    tree,
    failing('link', () => true, no),
  );
  for (const path of ['a', 'b']) await keep(path);
  expect(side.can.hardLinks).toBe(true);
  for (const path of ['c', 'd']) await keep(path);
  expect([side.can.hardLinks, asked('link')]).toEqual([false, 3]);
});

test('what an earlier try has kept is not kept twice; another file is kept beside it', async () => {
  const { memory, keep } = open({ a: 'one' });
  await keep('a');
  expect(await keep('a')).toBe('kept');
  expect(Object.keys(memory.tree())).toEqual(['a', `bin/${run}/a`]);
  memory.put('a', 'another');
  expect(await keep('a')).toBe('kept');
  expect(memory.tree()).toEqual({
    a: 'another',
    [`bin/${run}/a`]: 'one',
    [`bin/${run}.1/a`]: 'another',
  });
});

test('a file that was removed since the scan needs no keeping', async () => {
  const { memory, trash } = open({ a: 'old' });
  const seen = { kind: 'file', size: 3, mtime: 1, mode: 0o644 } as const;
  memory.drop('a');
  const context = {} as CopyContext;
  for (const can of [true, false]) {
    memory.can.hardLinks = can;
    await expect(trash.keep('a', seen, context)).resolves.toBe('kept');
  }
});

test('what is taken leaves its place, and replaces nothing in the trash', async () => {
  const { memory, trash } = open({ a: 'one' });
  await trash.take('a', 'a');
  memory.put('b', 'two');
  await trash.take('b', 'a');
  expect(memory.tree()).toEqual({ [`bin/${run}/a`]: 'one', [`bin/${run}.1/a`]: 'two' });
});

test.each(['bin', `bin/${run}`])('%s is a link: nothing is kept through it', async (link) => {
  const { memory, keep } = open({ a: 'old', 'elsewhere/x': 'x' });
  memory.put(link, { link: 'elsewhere' });
  await expect(keep('a')).rejects.toMatchObject({ kind: 'io', path: 'a' });
  expect(memory.tree()).toEqual({ a: 'old', 'elsewhere/x': 'x', [link]: { link: 'elsewhere' } });
});
