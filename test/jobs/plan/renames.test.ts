/** Which copies become renames, and in which order. The bytes are found out by the scan: here `twins` says them. */
import { expect, test } from 'vitest';
import type { Copy, Delete, Snapshot } from '../../../src/jobs/plan/plan.js';
import { followRenames, inRows, originOf } from '../../../src/jobs/plan/renames.js';

const file = (size = 1): Snapshot => ({ kind: 'file', size, mtime: 5, mode: 0o644 });
const copy = (path: string, destination?: Snapshot): Copy => {
  const source = { path, from: path, source: file(), reason: 'new' };
  return { action: 'copy', ...source, destination };
};
const gone = (path: string, seen = file()): Delete => ({ action: 'delete', path, seen });

const follow = (
  copies: Copy[],
  deletes: Delete[],
  twins: Record<string, string>,
  { mayDelete = true, made = [] as string[] } = {},
) => {
  const rules = { twins: new Map(Object.entries(twins)), mayDelete };
  const mkdirs = made.map((path) => ({ action: 'mkdir' as const, path }));
  const plan = followRenames(
    { copies, deletes },
    { ...rules, actions: [...copies, ...deletes, ...mkdirs] },
  );
  return {
    renames: plan.renames.map(({ at, path, stays }) => `${at}${stays ? ' =>' : ' ->'} ${path}`),
    copies: plan.copies.map(({ path, movesOn }) => (movesOn ? `${path}, moved on` : path)),
    deletes: plan.deletes.map(({ path }) => path),
  };
};

test('a new file whose bytes are in one that is deleted', () => {
  expect(follow([copy('b')], [gone('a'), gone('c')], { b: 'a' })).toEqual({
    ...{ renames: ['a -> b'], copies: [], deletes: ['c'] },
  });
});

test('one whose bytes are in a file that is replaced: that one stays until then', () => {
  expect(follow([copy('a', file(2)), copy('b')], [], { b: 'a' })).toEqual({
    ...{ renames: ['a => b'], copies: ['a, moved on'], deletes: [] },
  });
});

test('a twin serves one rename alone, and never its own path', () => {
  const two = follow([copy('b'), copy('c')], [gone('a')], { b: 'a', c: 'a' });
  expect(two).toMatchObject({ renames: ['a -> b'], copies: ['c'] });
  expect(follow([copy('a', file())], [], { a: 'a' })).toMatchObject({ renames: [] });
});

test.for([
  ['deletions are withheld', [copy('b')], [gone('a')], { mayDelete: false }],
  ['a folder takes its place', [copy('b')], [gone('a')], { made: ['a'] }],
  ['something below takes its place', [copy('b')], [gone('a')], { made: ['a/x'] }],
  ['the new file takes a folder’s place', [copy('b')], [gone('a'), gone('b')], {}],
  [
    'its mode is another than that of the file it replaces',
    [copy('b', { ...file(), mode: 0o600 })],
    [gone('a')],
    {},
  ],
  ['a link is in its place', [copy('b', { ...file(), kind: 'link' })], [gone('a')], {}],
  ['it is no file', [copy('b')], [gone('a', { ...file(), kind: 'link' })], {}],
] as const)('none where %s', ([, copies, deletes, rules]) => {
  const plan = follow([...copies], [...deletes], { b: 'a' }, rules as object);
  expect(plan.renames).toEqual([]);
  expect(plan.copies).toEqual(['b']);
});

test('rows: each comes after the one that has moved on the file it replaces', () => {
  const rows = (...moves: string[]) =>
    inRows(moves.map((it) => ({ at: it[0] as string, path: it[1] as string })))
      .map((row) => row.map(({ at, path }) => at + path).join(' '))
      .sort();
  expect(rows('ab', 'bc', 'cd', 'xy')).toEqual(['cd bc ab', 'xy']);
  expect(rows('ab', 'ba')).toEqual(['ab ba']);
  expect(rows('ab', 'bc', 'ca', 'de')).toEqual(['ab ca bc', 'de']);
});

test('an origin needs all of device, inode, birth time, size and mtime', () => {
  const whole = { ...file(), device: 3, inode: 7, born: 1.5 };
  expect(originOf(whole)).toBe('3:7:1.5:1:5');
  for (const lack of [{ born: 0 }, { inode: 2 ** 53 }, { size: undefined }, { mtime: undefined }])
    expect(originOf({ ...whole, ...lack })).toBeUndefined();
  expect(originOf({ ...file(), kind: 'file' })).toBeUndefined();
});
