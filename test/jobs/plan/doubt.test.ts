/** Which copies are not proven by their mtime, until when, and how they are compared later. */
import { describe, expect, test } from 'vitest';
import type { Stat } from '../../../src/core/entry.js';
import { type CompareRules, compareFiles } from '../../../src/jobs/plan/compare.js';
import { type Doubt, doubtOf, endsDoubt, type Reading } from '../../../src/jobs/plan/doubt.js';
import { linesOf, planTrees, setting, treeOf } from '../../kit/planning.js';

const reading = (mtime: number | undefined, readAt: number, rest: Partial<Reading> = {}) => ({
  ...{ from: 'f', source: { size: 1, mtime }, readAt: readAt * 1000 },
  ...{ writtenAt: readAt * 1000, precision: 1, keepsMtime: true, ...rest },
});
const earlier = (rest: Partial<Doubt> = {}): Doubt => ({
  ...{ from: 'f', size: 1, mtime: 100, tells: false, until: 103_000, ...rest },
});

describe('doubtOf', () => {
  // the second of 100.x ends at 101; two more seconds allow for clock skew
  test.each<
    [
      says: string,
      mtime: number | undefined,
      readAt: number,
      rest: Partial<Reading>,
      expected: readonly [until: number, tells: boolean] | undefined,
    ]
  >([
    ['read in the second of its change', 100.2, 100.5, {}, [103, true]],
    ['the next one, by a clock that may be ahead', 100.2, 102.9, {}, [103, true]],
    ['long after it', 100.2, 103, {}, undefined],
    ['a source that tells whole seconds', 100, 100.5, {}, [103, false]],
    ['read when the next change may get the same time', 100.2, 100.21, {}, [103, false]],
    ['a change ahead of our clock: its own has been there', 500.5, 100, {}, [103, true]],
    ['long ago by any clock', 5, 100, {}, undefined],
    ['two-second mtimes: 100 and 101 are one', 100.2, 103.5, { precision: 2 }, [104, true]],
    ['no mtime: never equal anyway', undefined, 100, {}, undefined],
    ['no mtime kept: the second of its arrival counts', 5.5, 100.2, none(100.4), [103, true]],
    ['none kept, whole seconds at the source', 5, 100.2, none(100.4), undefined],
  ])('%s', (_says, mtime, readAt, rest, expected) => {
    const doubt = doubtOf(reading(mtime, readAt, rest), undefined);
    expect(doubt && [doubt.until / 1000, doubt.tells]).toEqual(expected);
  });

  function none(writtenAt: number): Partial<Reading> {
    return { keepsMtime: false, writtenAt: writtenAt * 1000 };
  }

  test("a file read again once the doubt could end is not in doubt, even if the source's clock is far ahead", () => {
    const first = doubtOf(reading(5000, 100), undefined) as Doubt;
    expect(doubtOf(reading(5000, 102.9), first)?.until).toBe(first.until);
    expect(doubtOf(reading(5000, 103), first)).toBeUndefined();
    expect(doubtOf(reading(5001, 103), first)?.until).toBe(106_000);
  });
});

test.each<[says: string, doubt: Doubt, now: [number, number] | undefined, at: number, is: boolean]>(
  [
    ['too early', earlier({ tells: true }), [1, 100], 102_999, false],
    ['what was copied', earlier({ tells: true }), [1, 100], 103_000, true],
    ['what was copied, as far as seconds tell', earlier(), [1, 100], 103_000, false],
    ['another mtime', earlier({ tells: true }), [1, 100.5], 103_000, false],
    ['another size shows by itself', earlier(), [2, 100], 103_000, true],
    ['gone', earlier(), undefined, 103_000, true],
  ],
)('endsDoubt: %s', (_says, doubt, now, at, is) => {
  expect(endsDoubt(doubt, now && file(...now), at)).toBe(is);
});

const file = (size: number, mtime: number): Stat => ({ kind: 'file', size, mtime, mode: 0o644 });
const plain: CompareRules = {
  ...{
    compare: 'auto',
    existing: 'overwrite',
    mtimePrecision: 1,
    keepsMtime: true,
    clockOffset: 0,
  },
};

describe('compareFiles with a copy in doubt', () => {
  const tells = earlier({ tells: true, mtime: 100.2 });
  test.each<
    [
      says: string,
      source: [number, number],
      destination: [number, number],
      doubt: Doubt | undefined,
      rules: Partial<CompareRules>,
      is: string,
    ]
  >([
    ['no doubt: the same second is equal', [1, 100.7], [1, 100], undefined, {}, 'equal'],
    ['rewritten within the second', [1, 100.7], [1, 100], tells, {}, 'newer'],
    ['put back within the second', [1, 100.1], [1, 100], tells, {}, 'older'],
    ['what was copied', [1, 100.2], [1, 100], tells, {}, 'equal'],
    ['whole seconds: the bytes tell', [1, 100], [1, 100], earlier(), {}, 'undecided'],
    ['it is unknown what was copied', [1, 100.2], [1, 100], earlier(), {}, 'in doubt'],
    ['a whole second now, where there was a fraction', [1, 100], [1, 100], tells, {}, 'undecided'],
    ['another second shows by itself', [1, 101], [1, 100], earlier(), {}, 'newer'],
    ['another size, too', [2, 100.7], [1, 100], tells, {}, 'size'],
    ['compare: mtime', [1, 100.7], [1, 100], tells, { compare: 'mtime' }, 'newer'],
    [
      'compare: size, because you said so',
      [1, 100.7],
      [1, 100],
      tells,
      { compare: 'size' },
      'equal',
    ],
    ['existing: newer, and it is', [1, 100.7], [1, 100], tells, { existing: 'newer' }, 'newer'],
    ['existing: skip', [1, 100.7], [1, 100], tells, { existing: 'skip' }, 'kept'],
    ['no mtime kept', [1, 100.7], [1, 100], tells, { keepsMtime: false }, 'newer'],
  ])('%s', (_says, source, destination, doubt, rules, is) => {
    const verdict = compareFiles(
      file(...source),
      file(...destination),
      { ...plain, ...rules },
      { doubt },
    );
    expect(verdict.is === 'different' ? verdict.reason : verdict.is).toBe(is);
  });
});

test('a doubt is about its own path only', () => {
  const here = treeOf({ 'a/f': '1 @100.7', 'b/f': '1 @100.7' });
  const there = treeOf({ 'a/f': '1 @100', 'b/f': '1 @100' });
  const { rules, scope } = setting();
  const doubts = new Map([['b/f', earlier({ tells: true, mtime: 100.2 })]]);
  expect(linesOf(planTrees(here, there, { scope, rules: { ...rules, doubts } }))).toEqual([
    'copy b/f (newer)',
  ]);
});
