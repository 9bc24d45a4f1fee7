/** Whether two files count as equal, rule by rule. */
import { describe, expect, test } from 'vitest';
import type { Stat } from '../../../src/core/entry.js';
import {
  type CompareRules,
  comparable,
  compareFiles,
  decide,
  mayReplace,
} from '../../../src/jobs/plan/compare.js';

const file = (size: number | undefined, mtime: number | undefined): Stat => ({
  kind: 'file',
  size,
  mtime,
  mode: 0o644,
});
const rules: CompareRules = {
  compare: 'auto',
  existing: 'overwrite',
  mtimePrecision: 1e-9,
  keepsMtime: true,
  clockOffset: 0,
};
const uint32 = 0xffff_ffff;

type Row = [
  says: string,
  source: [size: number | undefined, mtime: number | undefined],
  destination: [size: number | undefined, mtime: number | undefined],
  when: Partial<CompareRules>,
  verdict: string,
];
const noMtime = { keepsMtime: false };
const table: Row[] = [
  ['size and mtime agree', [1, 5], [1, 5], {}, 'equal'],
  ['another size', [1, 5], [2, 5], {}, 'different: size'],
  ['newer', [1, 6], [1, 5], {}, 'different: newer'],
  ['older', [1, 4], [1, 5], {}, 'different: older'],
  ['mode is no matter', [1, 5], [1, 5], {}, 'equal'],

  ['fractions are dropped: 5.999 is 5', [1, 5.999], [1, 5], {}, 'equal'],
  ['rounded down, not to the nearest: 5.999 is not 6', [1, 5.999], [1, 6], {}, 'different: older'],
  ['within a precision of two seconds', [1, 5], [1, 4], { mtimePrecision: 2 }, 'equal'],
  ['beyond it', [1, 6], [1, 4], { mtimePrecision: 2 }, 'different: newer'],
  ['before 1970 is 0', [1, -7.5], [1, 0], {}, 'equal'],
  ['beyond uint32 is its end', [1, uint32 + 99], [1, uint32], {}, 'equal'],
  ['the last second that SFTP can carry', [1, uint32], [1, uint32 - 1], {}, 'different: newer'],

  ['no size at the source', [undefined, 5], [1, 5], {}, 'different: size unknown'],
  [
    'no size at the destination',
    [1, 5],
    [undefined, 5],
    { compare: 'size' },
    'different: size unknown',
  ],
  [
    'no size, but bytes are to decide',
    [1, 5],
    [undefined, 5],
    { compare: 'checksum' },
    'undecided',
  ],
  ['no mtime', [1, undefined], [1, 5], {}, 'different: mtime unknown'],
  ['never size alone: no mtime there', [1, 5], [1, undefined], noMtime, 'different: mtime unknown'],

  ['size: the mtime is no matter', [1, 5], [1, 99], { compare: 'size' }, 'equal'],
  ['size: nor whether there is one', [1, undefined], [1, 5], { compare: 'size' }, 'equal'],
  ['checksum: equal sizes decide nothing', [1, 5], [1, 5], { compare: 'checksum' }, 'undecided'],
  ['checksum: other sizes do', [1, 5], [2, 5], { compare: 'checksum' }, 'different: size'],

  ['auto, no mtime kept: arrived after the change', [1, 5], [1, 9], noMtime, 'equal'],
  ['in the same second', [1, 5.9], [1, 5], noMtime, 'equal'],
  ['arrived before the change', [1, 9], [1, 5], noMtime, 'different: newer'],
  ['size still counts', [2, 5], [1, 9], noMtime, 'different: size'],
  [
    'a clock ahead of ours is set right',
    [1, 9],
    [1, 12],
    { ...noMtime, clockOffset: 5 },
    'different: newer',
  ],
  [
    'even where the mtimes happen to agree',
    [1, 9],
    [1, 9],
    { ...noMtime, clockOffset: 5 },
    'different: newer',
  ],
  [
    'newer, by that clock',
    [2, 9],
    [1, 12],
    { ...noMtime, clockOffset: 5, existing: 'newer' },
    'different: size',
  ],
  ['a clock behind ours, too', [1, 9], [1, 5], { ...noMtime, clockOffset: -5 }, 'equal'],
  [
    'mtime asks for the mtime itself',
    [1, 5],
    [1, 9],
    { ...noMtime, compare: 'mtime' },
    'different: older',
  ],
  [
    'where mtimes are kept, the clocks are no matter',
    [1, 9],
    [1, 5],
    { clockOffset: -5 },
    'different: newer',
  ],

  ['keep: whatever differs', [1, 9], [2, 5], { existing: 'skip' }, 'kept'],
  ['newer: it is', [1, 9], [2, 5], { existing: 'newer' }, 'different: size'],
  ['newer: it is not', [1, 5], [2, 9], { existing: 'newer' }, 'kept'],
  ['newer: the same second', [1, 5.9], [2, 5], { existing: 'newer' }, 'kept'],
  ['newer: it is unknown', [1, undefined], [2, 5], { existing: 'newer' }, 'kept'],
  ['newer: equal is equal', [1, 5], [1, 5], { existing: 'newer' }, 'equal'],
  ['newer, by bytes', [1, 5], [1, 9], { existing: 'newer', compare: 'checksum' }, 'kept'],
  [
    'newer, bytes to be compared',
    [1, 9],
    [1, 5],
    { existing: 'newer', compare: 'checksum' },
    'undecided',
  ],
];

describe('compareFiles', () => {
  test.each(table)('%s', (_says, source, destination, when, expected) => {
    const verdict = compareFiles(file(...source), file(...destination), { ...rules, ...when });
    expect(
      'reason' in verdict && verdict.is === 'different'
        ? `${verdict.is}: ${verdict.reason}`
        : verdict.is,
    ).toBe(expected);
  });
});

describe('decide, once the bytes have been compared', () => {
  test.each<[string, boolean, number, Partial<CompareRules>, string]>([
    ['other bytes', false, 5, {}, 'different'],
    ['the same bytes and time', true, 5, {}, 'equal'],
    ['the same bytes under another mtime', true, 6, {}, 'attrs'],
    ['where no mtime is kept, that is no matter', true, 6, noMtime, 'equal'],
    ['within the precision', true, 4, { mtimePrecision: 2 }, 'equal'],
  ])('%s', (_says, same, mtime, when, is) => {
    expect(decide(same, file(1, 5), file(1, mtime), { ...rules, ...when }).is).toBe(is);
  });
});

test('mayReplace: which files `existing` allows to replace another', () => {
  const may = (existing: CompareRules['existing'], mtime: number) =>
    mayReplace(file(1, mtime), file(1, 5), { ...rules, existing });
  expect([may('overwrite', 4), may('skip', 6), may('newer', 6), may('newer', 5)]).toEqual([
    ...[true, false, true, false],
  ]);
});

test('comparable: whole units, rounded down, never beyond what SFTP carries', () => {
  expect([5.9, 4, 3].map((mtime) => comparable(mtime, 1e-9))).toEqual([5, 4, 3]);
  expect([5.9, 4, 3].map((mtime) => comparable(mtime, 2))).toEqual([2, 2, 1]);
  expect([-0.5, -1e9, uint32 + 0.5, 1e12].map((mtime) => comparable(mtime, 1))).toEqual([
    ...[0, 0, uint32, uint32],
  ]);
});
