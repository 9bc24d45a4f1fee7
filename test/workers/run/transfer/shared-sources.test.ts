/** When a source file goes to which several paths lead. */
import { expect, test } from 'vitest';
import type { Copy, Plan } from '../../../../src/jobs/plan/plan.js';
import { SharedSources } from '../../../../src/workers/run/transfer/shared-sources.js';

const seen = { kind: 'file', size: 1, mtime: 10, mode: 0o644 } as const;
const copy = (path: string, from: string): Copy => ({
  ...{ action: 'copy', path, from, source: seen, destination: undefined, reason: 'new' },
});
const proven = (path: string, readAt: number, mtime = 10) => ({
  ...{ path, readAt, seen: { ...seen, mtime } },
});

function sharedIn(plan: Partial<Plan>, only?: string): SharedSources {
  return new SharedSources({ copies: [], equal: [], conflicts: [], ...plan }, only);
}

test('it stays where its own path is none of those that were copied, unless it is the whole source', () => {
  const copies = [copy('link', 'out/a'), copy('new-name', 'only')];
  expect(sharedIn({ copies }).done('out/a', proven('link', 1))).toBeUndefined();
  expect(sharedIn({ copies }).done('only', proven('new-name', 1))).toBeUndefined();
  expect(sharedIn({ copies }, 'only').done('only', proven('new-name', 1))).toBeDefined();
});

test('a file with one path goes at once, one with several under its own path after the last', () => {
  const copies = [copy('a', 'a'), copy('b', 'b'), copy('link', 'a')];
  const shared = sharedIn({ copies, equal: [{ path: 'x', from: 'a', source: seen, readAt: 1 }] });
  expect(shared.done('b', proven('b', 5))).toEqual(proven('b', 5));
  expect(shared.done('a', proven('a', 6))).toBeUndefined();
  expect(shared.done('a', proven('link', 7))).toBeUndefined();
  expect(shared.done('a', proven('x', 1))).toEqual(proven('a', 1));
});

test('it stays if it changed between the copies', () => {
  const shared = sharedIn({ copies: [copy('a', 'a'), copy('link', 'a')] });
  expect(shared.done('a', proven('link', 1))).toBeUndefined();
  expect(() => shared.done('a', proven('a', 2, 11))).toThrow('it changed between the copies');
});

test('it stays while one of its paths, or a link to a folder above it, is in conflict', () => {
  const conflict = (path: string, from: string) => ({ path, from, kind: 'conflict', message: '' });
  const conflicts = [conflict('link', 'a'), conflict('folder', 'f')] as Plan['conflicts'];
  const shared = sharedIn({ copies: [copy('a', 'a'), copy('f/g/b', 'f/g/b')], conflicts });
  expect(shared.done('a', proven('a', 1))).toBeUndefined();
  expect(shared.done('f/g/b', proven('f/g/b', 1))).toBeUndefined();
});
