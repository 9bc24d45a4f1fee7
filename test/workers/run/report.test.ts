import { expect, test } from 'vitest';
import { Cancelled, FerryError } from '../../../src/core/errors.js';
import type { Report } from '../../../src/core/events.js';
import type { Job } from '../../../src/core/job.js';
import { reportOfNoStart, reportOfTargets, targetEnd } from '../../../src/workers/run/report.js';

test('a run that could not begin is reported with its reason and exit code', () => {
  const job = { name: 'nightly', operation: 'mirror' } as Job;
  const error = new FerryError('busy', 'job nightly runs already, in process 7', { hint: 'wait' });
  const request = { run: 'r', trigger: 'manual', attempt: 1 } as const;
  expect(reportOfNoStart(job, request, error, new Date())).toMatchObject({
    job: 'nightly',
    outcome: 'failed',
    exitCode: 8,
    error: { kind: 'busy', message: 'job nightly runs already, in process 7', hint: 'wait' },
  });
});

const job = { name: 'publish', operation: 'push' } as Job;
const facts = { run: 'r', trigger: 'manual', attempt: 1 } as const;
const times = { started: new Date(), sessions: 2 };

/** The end of a target: copied so many files, or ended by an error. */
function endOf(target: string, copied: number, thrown?: unknown) {
  const report = reportOfNoStart(job, facts, thrown ?? new Cancelled(130), new Date());
  const files = { ...report.files, copied };
  const good = { outcome: 'succeeded', exitCode: 0 } as const;
  const { outcome, exitCode, ...rest } = report;
  return targetEnd(target, {
    ...rest,
    ...(thrown === undefined ? good : { outcome, exitCode }),
    files,
    bytes: copied * 10,
    verified: copied > 1 ? 'checksum' : 'size',
    failures: thrown === undefined ? [] : [{ path: 'p', kind: 'io', message: 'm' }],
  } satisfies Report);
}

test('several targets: sums, and the end of the one that ended worst, with its name', () => {
  const ends = [
    endOf('a:x', 2),
    endOf('b:x', 1, new FerryError('network', 'unreachable')),
    endOf('c:x', 1, new FerryError('auth', 'no key is accepted', { hint: 'add one' })),
  ];
  expect(reportOfTargets(job, facts, ends, times)).toMatchObject({
    outcome: 'failed',
    exitCode: 5,
    error: { kind: 'auth', message: 'c:x: no key is accepted', hint: 'add one' },
    files: { copied: 4, failed: 0 },
    bytes: 40,
    sessions: 2,
    verified: 'size',
    failures: [
      { target: 'b:x', path: 'p' },
      { target: 'c:x', path: 'p' },
    ],
    targets: [{ target: 'a:x', exitCode: 0 }, { exitCode: 4 }, { exitCode: 5 }],
  });
});

test('several targets: a cancelled one outranks all, as several jobs do', () => {
  const ends = [
    endOf('a:x', 0, new FerryError('refused', 'no')),
    endOf('b:x', 0, new Cancelled(143)),
  ];
  const report = reportOfTargets(job, facts, ends, times);
  expect(report).toMatchObject({ outcome: 'cancelled', exitCode: 143 });
  expect(report.error).toBeUndefined();
});

test('several targets that all succeeded have no error', () => {
  const report = reportOfTargets(job, facts, [endOf('a:x', 2), endOf('b:x', 0)], times);
  expect(report).toMatchObject({ outcome: 'succeeded', exitCode: 0, verified: 'checksum' });
  expect(report.error).toBeUndefined();
});
