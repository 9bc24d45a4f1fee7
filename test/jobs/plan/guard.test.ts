/** When a plan is refused, at the border of each rule, and when only its deletions are withheld. */
import { describe, expect, test } from 'vitest';
import type { DeleteRules, Job } from '../../../src/core/job.js';
import {
  deletedFiles,
  type Facts,
  guard,
  guardFolders,
  withheld,
} from '../../../src/jobs/plan/guard.js';
import { type Copy, type Delete, differingFiles, type Plan } from '../../../src/jobs/plan/plan.js';
import { sealPlan } from '../../../src/jobs/plan/seal-plan.js';

const gone = (path: string, kind: Delete['seen']['kind'] = 'file'): Delete => ({
  action: 'delete',
  path,
  seen: { kind, size: 1, mtime: 5, mode: 0o644 },
});
const files = (n: number) => Array.from({ length: n }, (_, i) => gone(`f${i}`));

/** A plan that deletes, for a destination of this many files. */
function plan(
  deletes: readonly Delete[],
  destinationFiles: number,
  over: Partial<Parameters<typeof sealPlan>[0]> = {},
): Plan {
  return sealPlan({
    job: 'nightly',
    operation: 'mirror',
    from: './data',
    to: 'archive:data',
    actions: deletes,
    missing: new Map(),
    keepers: new Set(),
    conflicts: [],
    failures: [],
    skips: [],
    equal: [],
    unchanged: 0,
    sourceFiles: 1,
    destinationFiles,
    ...over,
  });
}

const rules: DeleteRules = {
  enabled: true,
  max: { percent: 50 },
  require: undefined,
  allowEmptySource: false,
};
const there: Facts = {
  sourceExists: true,
  requirePresent: true,
  commandWith: (flag) => `ferryline run nightly ${flag}`,
};
const guarded = (made: Plan, deletes: Partial<DeleteRules>, facts: Partial<Facts> = {}) =>
  guard(made, { delete: { ...rules, ...deletes }, replace: undefined }, { ...there, ...facts });
const problem = { path: 'a', kind: 'io' as const, message: 'no' };

interface Row {
  readonly plan: Plan;
  readonly rules?: Partial<DeleteRules>;
  readonly replace?: Job['replace'];
  readonly facts?: Partial<Facts>;
  /** Part of the refusal; undefined: the plan may be carried out. */
  readonly refused?: string;
  /** Part of its hint. */
  readonly next?: string;
}
const unset = { max: undefined };
const never = { firstContact: 'never' as const };
const seen = { kind: 'file' as const, size: 1, mtime: 5, mode: 0o644 };
const copy = (path: string, destination: Copy['destination']): Copy => ({
  ...{ action: 'copy', path, from: path, source: seen, destination, reason: 'newer' },
});
const copies = (n: number, destination: Copy['destination']) =>
  Array.from({ length: n }, (_, i) => copy(`f${i}`, destination));
/** A plan that overwrites `n` of so many files. */
const changed = (n: number, destinationFiles: number, operation: Plan['operation'] = 'push') =>
  plan([], destinationFiles, { operation, actions: copies(n, seen) });
const added = (n: number) => plan([], 10, { operation: 'push', actions: copies(n, undefined) });
const percent = (max: number) => ({ max: { percent: max } });
const count = (max: number) => ({ max: { count: max } });

const table: Readonly<Record<string, Row>> = {
  'nothing to delete': { plan: plan([], 0) },
  'exactly the percentage': { plan: plan(files(5), 10) },
  'one file more': {
    plan: plan(files(6), 10),
    refused: 'deletes 6 of 10 files at archive:data, more than delete.max (50 %) allows',
  },
  'a percentage between two files: the lower': { plan: plan(files(2), 5) },
  'and not the higher': { plan: plan(files(3), 5), refused: 'deletes 3 of 5 files' },
  'half a file is none': { plan: plan(files(1), 1), refused: 'deletes 1 of 1 file at' },
  'a percentage that floating point does not hold exactly': {
    ...{ plan: plan(files(7), 100), rules: percent(7) },
  },
  '0 % deletes nothing': { plan: plan(files(1), 1000), rules: percent(0), refused: '(0 %)' },
  '100 % deletes all': { plan: plan(files(10), 10), rules: percent(100) },
  'exactly the number': { plan: plan(files(3), 3), rules: count(3) },
  'one more than the number': {
    ...{ plan: plan(files(4), 1000), rules: count(3), refused: 'delete.max (3)' },
  },
  'the number 0': { plan: plan(files(1), 1000), rules: count(0), refused: 'delete.max (0)' },
  'folders do not count': {
    plan: plan([...files(5), gone('d', 'folder'), gone('d/e', 'folder')], 10),
  },
  'links do': { plan: plan([...files(5), gone('l', 'link')], 10), refused: 'deletes 6' },
  'folders alone may go where no file is': { plan: plan([gone('d', 'folder')], 0) },

  'an empty source in front of a destination that is not': {
    plan: plan([], 3, { sourceFiles: 0 }),
    refused: './data has no file in scope, while the destination archive:data has 3 files',
  },
  'both empty': { plan: plan([], 0, { sourceFiles: 0 }) },
  'an empty source that may be': {
    plan: plan(files(1), 2, { sourceFiles: 0 }),
    rules: { allowEmptySource: true },
  },
  'delete.max holds for it, too': {
    plan: plan(files(2), 2, { sourceFiles: 0 }),
    rules: { allowEmptySource: true },
    refused: 'deletes 2 of 2 files',
  },
  'an empty drop folder is normal': {
    plan: plan([], 3, { sourceFiles: 0, operation: 'push' }),
  },

  'unset, 20 files of 100 may go': { plan: plan(files(20), 100), rules: unset },
  'and not 21': {
    ...{
      plan: plan(files(21), 100),
      rules: unset,
      next: '`ferryline run nightly --delete-max 21`',
    },
    refused:
      'deletes 21 of 100 files at archive:data, more than the default of delete.max (10 % or 20 files, at most 50 %) allows',
  },
  'unset, of many files a tenth': { plan: plan(files(30), 300), rules: unset },
  'and not a file more': { plan: plan(files(31), 300), rules: unset, refused: '31 of 300' },
  'at 200 files both limits agree': { plan: plan(files(20), 200), rules: unset },
  'unset, of few files half': { plan: plan(files(5), 10), rules: unset },
  'and not more, although it is less than 20': {
    ...{ plan: plan(files(6), 10), rules: unset, refused: '6 of 10' },
  },
  'unset, half of 40 files is 20': { plan: plan(files(20), 40), rules: unset },
  'of 39 files, 19': { plan: plan(files(20), 39), rules: unset, refused: '20 of 39' },
  'the only file stays': { plan: plan(files(1), 1), rules: unset, refused: '1 of 1 file at' },

  'first contact: one file of many is refused': {
    ...{ plan: plan(files(1), 1000), facts: never, next: '`ferryline run nightly --delete-max 1`' },
    refused:
      'first contact: archive:data is not known to be a copy of ./data, and the plan deletes 1 of 1,000 files there; a mirror deletes nothing until it has once succeeded against its destination',
  },
  'whatever delete.max is': {
    ...{ plan: plan(files(7), 10), rules: percent(100), facts: never, refused: 'first contact' },
    next: '`ferryline run nightly --delete-max 7`',
  },
  'an empty folder too': {
    ...{ plan: plan([gone('d', 'folder')], 10), facts: never, refused: 'deletes 1 folder there' },
    next: '--delete-max 1`',
  },
  'a mark that is gone is said': {
    ...{ plan: plan(files(1), 10), facts: { firstContact: 'gone' } },
    refused: 'the mark it left is gone, so this may be another folder or disk',
  },
  'a first contact that deletes nothing is none': { plan: plan([], 10), facts: never },
  'the missing source is said first': {
    ...{ plan: plan(files(1), 10), facts: { ...never, sourceExists: false } },
    refused: 'does not exist',
  },

  'replace.max: exactly the share': { plan: changed(5, 10), replace: { max: { percent: 50 } } },
  'one file more is refused, in a mirror': {
    ...{ plan: changed(6, 10, 'mirror'), replace: { max: { percent: 50 } } },
    refused: 'overwrites 6 of 10 files at archive:data, more than replace.max (50 %) allows',
    next: '`ferryline run nightly --replace-max 6`',
  },
  'and in a push': {
    ...{ plan: changed(6, 10), replace: { max: { percent: 50 } }, refused: 'overwrites 6' },
  },
  'and in a push, with an old file that is aside': {
    plan: plan(files(1), 10, {
      operation: 'push',
      actions: [...files(1), ...changed(5, 10).copies],
    }),
    ...{ replace: { max: { percent: 50 } }, refused: 'overwrites 6' },
  },
  'exactly the number to be replaced': { plan: changed(3, 3), replace: { max: { count: 3 } } },
  'one more than that number': {
    ...{ plan: changed(4, 1000), replace: { max: { count: 3 } }, refused: 'replace.max (3)' },
  },
  'replace.max: 0 lets new files through': { plan: added(9), replace: { max: { count: 0 } } },
  'without replace.max everything may be overwritten': { plan: changed(10, 10) },
};

describe('guard', () => {
  for (const [says, row] of Object.entries(table))
    test(says, () => {
      const refusal = guard(
        row.plan,
        { delete: { ...rules, ...row.rules }, replace: row.replace },
        { ...there, ...row.facts },
      );
      if (row.refused === undefined) expect(refusal).toBeUndefined();
      else {
        expect(refusal).toMatchObject({ kind: 'refused' });
        expect(refusal?.message).toContain(row.refused);
        expect(refusal?.hint).toContain(row.next ?? '');
        expect(refusal?.hint).toBeTruthy();
      }
    });

  test.each(['push', 'pull', 'mirror'] as const)(
    'a missing source refuses every operation: %s',
    (operation) => {
      const refusal = guarded(
        plan([], 0, { operation }),
        { allowEmptySource: true },
        { sourceExists: false },
      );
      expect(refusal?.message).toBe('the source ./data does not exist');
    },
  );

  test.each(['push', 'mirror'] as const)(
    'so does a missing sign of the source: %s',
    (operation) => {
      const named = { require: '.mounted' };
      expect(guarded(plan([], 0, { operation }), named)).toBeUndefined();
      const refusal = guarded(plan([], 0, { operation }), named, { requirePresent: false });
      expect(refusal?.message).toBe('.mounted is not in the source ./data');
    },
  );
});

test('a run limited to folders goes by a number in replace.max, and not by a share', () => {
  const limited = (max: NonNullable<Job['replace']>['max']) =>
    guardFolders(changed(4, 4), { delete: rules, replace: { max } }, there)?.message;
  expect(limited({ count: 4 })).toBeUndefined();
  expect(limited({ count: 3 })).toContain('overwrites 4 of 4 files');
  expect(limited({ percent: 1 })).toBeUndefined();
});

describe('withheld', () => {
  test('a complete plan keeps its deletions', () => {
    expect(withheld(plan(files(1), 2))).toBeUndefined();
  });

  test('a failure or a conflict withholds all deletions', () => {
    expect(withheld(plan(files(1), 2, { failures: [problem] }))).toBe(
      '1 path could not be read or copied',
    );
    expect(withheld(plan(files(1), 2, { conflicts: [problem, problem] }))).toBe('2 conflicts');
  });
});

test('deletedFiles counts files and links', () => {
  expect(deletedFiles(plan([gone('a'), gone('l', 'link'), gone('d', 'folder')], 3))).toBe(2);
});

test('differingFiles counts files on both sides, and those with the same size apart', () => {
  const reasons = ['newer', 'older', 'size', 'content', 'newer'];
  const made = plan([], 9, {
    actions: [
      ...reasons.map((reason, i) => ({ ...copy(`f${i}`, seen), reason })),
      copy('new', undefined),
    ],
  });
  expect(differingFiles(made)).toEqual({ all: 5, inTimeAlone: 3 });
});
