import fc from 'fast-check';
import { expect, test } from 'vitest';
import { cutReport, mostReportBytes } from '../../src/core/cut-report.js';
import type { Failure, Report, TargetEnd } from '../../src/core/events.js';
import { reportOf } from '../kit/daemons/controls.js';

const run = '20261124T020000Z-0gk3f97c';
const failure = (n: number): Failure => ({ path: `a/${n}`, kind: 'io', message: `${n}: no space` });
const failuresOf = (count: number) => Array.from({ length: count }, (_, n) => failure(n));
const bytesOf = (report: Report) => Buffer.byteLength(JSON.stringify(report));

test('a report that fits stays the same', () => {
  const report = reportOf(run, { failures: failuresOf(20) });
  expect(cutReport(report)).toBe(report);
});

test('of a larger one the counts, the error and the first failures are kept', () => {
  const error = { kind: 'io', message: 'the disk is full', hint: 'free space', path: 'a' } as const;
  const report = reportOf(run, { error, failures: failuresOf(1000), failuresOmitted: 7 });
  const cut = cutReport(report);
  const { failures, failuresOmitted, ...rest } = cut;
  expect(rest).toEqual({ ...report, cut: true, failures: undefined, failuresOmitted: undefined });
  expect(failures.length).toBeGreaterThan(100);
  expect(failures).toEqual(failuresOf(1000).slice(0, failures.length));
  expect(failures.length + failuresOmitted).toBe(1007);
  expect(bytesOf(cut)).toBeLessThanOrEqual(mostReportBytes);
});

test('of many targets those that did not succeed are kept first', () => {
  const { run: _, job: __, ...end } = reportOf(run);
  const targets = Array.from(
    { length: 300 },
    (_, n): TargetEnd => ({
      ...end,
      target: `web${n}:www`,
      outcome: n % 100 === 99 ? 'failed' : 'succeeded',
      failures: n % 100 === 99 ? failuresOf(100) : [],
    }),
  );
  const cut = cutReport(reportOf(run, { targets }));
  const kept = cut.targets ?? [];
  expect(kept.filter(({ outcome }) => outcome === 'failed').map(({ target }) => target)).toEqual([
    'web99:www',
    'web199:www',
    'web299:www',
  ]);
  expect(kept.length).toBeGreaterThan(5);
  expect(kept.find(({ target }) => target === 'web99:www')).toMatchObject({
    failures: [],
    failuresOmitted: 100,
  });
  expect(bytesOf(cut)).toBeLessThanOrEqual(mostReportBytes);
});

test('no text makes it larger: long, escaped or of several bytes', () => {
  const text = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 5000 }),
    fc.constantFrom('\u0001', 'ä', '😀', '\ud800').map((one) => one.repeat(5000)),
  );
  const failures = fc.array(fc.record({ path: text, message: text, kind: fc.constant('io') }));
  fc.assert(
    fc.property(text, text, failures, (message, path, failed) => {
      const error = { kind: 'io', message, hint: message, path } as const;
      const cut = cutReport(
        reportOf(run, { description: message, error, failures: failed as Failure[] }),
      );
      expect(bytesOf(cut)).toBeLessThanOrEqual(mostReportBytes);
      expect(cut.failures.length + cut.failuresOmitted).toBe(failed.length);
    }),
    { numRuns: 200 },
  );
});
