/** When a plan is refused, at the border of each rule, and when only its deletions are withheld. */
import { describe, expect, test } from 'vitest';
import type { DeleteRules } from '../../../src/core/job.js';
import { deletedFiles, type Facts, guard, withheld } from '../../../src/jobs/plan/guard.js';
import { type Delete, type Plan, sealPlan } from '../../../src/jobs/plan/plan.js';

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
const there: Facts = { sourceExists: true, requirePresent: true };
const problem = { path: 'a', kind: 'io' as const, message: 'no' };

interface Row {
  readonly plan: Plan;
  readonly rules?: Partial<DeleteRules>;
  readonly facts?: Partial<Facts>;
  /** Part of the refusal; undefined: the plan may be carried out. */
  readonly refused?: string;
}
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
};

describe('guard', () => {
  for (const [says, row] of Object.entries(table))
    test(says, () => {
      const refusal = guard(row.plan, { ...rules, ...row.rules }, { ...there, ...row.facts });
      if (row.refused === undefined) expect(refusal).toBeUndefined();
      else {
        expect(refusal).toMatchObject({ kind: 'refused' });
        expect(refusal?.message).toContain(row.refused);
        expect(refusal?.hint).toBeTruthy();
      }
    });

  test.each(['push', 'pull', 'mirror'] as const)(
    'a missing source refuses every operation: %s',
    (operation) => {
      const refusal = guard(
        plan([], 0, { operation }),
        { ...rules, allowEmptySource: true },
        { ...there, sourceExists: false },
      );
      expect(refusal?.message).toBe('the source ./data does not exist');
    },
  );

  test.each(['push', 'mirror'] as const)(
    'so does a missing sign of the source: %s',
    (operation) => {
      const named = { ...rules, require: '.mounted' };
      expect(guard(plan([], 0, { operation }), named, there)).toBeUndefined();
      const refusal = guard(plan([], 0, { operation }), named, { ...there, requirePresent: false });
      expect(refusal?.message).toBe('.mounted is not in the source ./data');
    },
  );
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
