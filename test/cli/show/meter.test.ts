import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { progressBlock, progressLine } from '../../../src/cli/show/meter.js';
import type { Progress } from '../../../src/core/events.js';
import { Meter } from '../../../src/core/meter.js';

const MiB = 1024 * 1024;

function progress(change: Partial<Progress> = {}): Progress {
  return {
    event: 'progress',
    phase: 'transfer',
    scanned: 5000,
    files: { done: 10, total: 40 },
    bytes: { done: 10 * MiB, total: 40 * MiB },
    ...change,
  };
}

describe('the meter', () => {
  test('knows nothing at first, and no rate in the first second', () => {
    const meter = new Meter();
    expect(meter.view(0)).toBeUndefined();
    meter.update(progress(), 0);
    expect(meter.view(500)).toMatchObject({ rate: undefined, left: undefined });
  });

  test('takes rate and time left from the last seconds, not from the start', () => {
    const meter = new Meter();
    const at = (second: number, mib: number) =>
      meter.update(
        progress({
          files: { done: 0, total: 1 },
          bytes: { done: mib * MiB, total: 200 * MiB },
        }),
        second * 1000,
      );
    for (let second = 0; second <= 60; second++) at(second, 0);
    for (let second = 61; second <= 120; second++) at(second, second - 60);
    const view = meter.view(120_000);
    expect(view?.rate).toBeCloseTo(MiB, -3);
    expect(view?.left).toBeCloseTo(140_000, -2);
  });

  test('many small files take their time by number', () => {
    const meter = new Meter();
    for (let second = 0; second <= 4; second++) {
      const done = second * 10;
      meter.update(
        progress({ files: { done, total: 1000 }, bytes: { done: done * 90, total: 100_000 } }),
        second * 1000,
      );
    }
    // 960 files at 10 a second; the bytes alone would say 10 % of that.
    expect(meter.view(4000)?.left).toBeCloseTo(107_000, -4);
  });

  test('at a standstill the time left is unknown, and at the end it is 0', () => {
    const meter = new Meter();
    meter.update(progress(), 0);
    meter.update(progress(), 2000);
    expect(meter.view(4000)).toMatchObject({ rate: 0, left: undefined });
    const done = { files: { done: 40, total: 40 }, bytes: { done: 40 * MiB, total: 40 * MiB } };
    meter.update(progress(done), 5000);
    expect(meter.view(5000)?.left).toBe(0);
  });

  test('the time left does not leap when the rate does for a moment', () => {
    const meter = new Meter();
    let done = 0;
    let last = Number.NaN;
    for (let second = 0; second <= 60; second++) {
      // 10 MiB a second, but for two in which nothing moves, then twice as much
      if (second > 0) done += second % 20 < 2 ? 0 : second % 20 < 4 ? 20 : 10;
      const bytes = { done: done * MiB, total: 6000 * MiB };
      meter.update(progress({ files: { done: 0, total: 1 }, bytes }), second * 1000);
      const left = (meter.view(second * 1000)?.left ?? Number.NaN) / 1000;
      if (second > 8) expect(Math.abs(left - (last - 1)) / last).toBeLessThan(0.1);
      last = left;
    }
    expect(last).toBeGreaterThan(500);
    expect(last).toBeLessThan(600);
  });

  test('more than a day left is not shown', () => {
    const meter = new Meter();
    const at = (second: number, done: number) =>
      meter.update(
        progress({ files: { done: 0, total: 1 }, bytes: { done, total: 1024 * MiB } }),
        second * 1000,
      );
    at(0, 0);
    at(4, 4 * 1800);
    expect(meter.view(4000)).toMatchObject({ rate: 1800, left: undefined });
    at(8, 4 * 1800 + 4 * 64 * 1024);
    expect(meter.view(8000)?.left).toBeLessThan(24 * 3_600_000);
  });

  test('a new phase starts from zero', () => {
    const meter = new Meter();
    meter.update(progress({ phase: 'scan' }), 0);
    meter.update(progress(), 60_000);
    expect(meter.view(60_500)?.rate).toBeUndefined();
  });
});

const view = { progress: progress(), rate: 5 * MiB, left: 6000 };

test('a line for a log says it all', () => {
  expect(progressLine('nightly', view)).toBe(
    'nightly: copying, 10 of 40 files, 10 MiB of 40 MiB, 5.0 MiB/s, 6.0 s left',
  );
  const scan = { ...view, progress: progress({ phase: 'scan' }), rate: undefined };
  expect(progressLine('nightly', scan)).toBe('nightly: comparing, 5,000 entries so far');
  const deleting = { ...view, progress: progress({ phase: 'delete' }) };
  expect(progressLine('nightly', deleting)).toBe('nightly: deleting, 10 of 40 files');
});

test('a wide block has all facts and a bar', () => {
  expect(progressBlock('nightly', view, 79)).toEqual([
    'nightly  copying  10 of 40 files  10 MiB of 40 MiB  5.0 MiB/s  6.0 s left',
    `[${'#'.repeat(15)}${'-'.repeat(45)}]  25 %`,
  ]);
});

test('a narrow one leaves out the last facts', () => {
  expect(progressBlock('nightly', view, 40)).toEqual([
    'nightly  copying  10 of 40 files',
    `[${'#'.repeat(8)}${'-'.repeat(24)}]  25 %`,
  ]);
});

test('while comparing there is no bar, as there is no total', () => {
  const scan = { progress: progress({ phase: 'scan' }), rate: undefined, left: undefined };
  expect(progressBlock('nightly', scan, 79)).toEqual(['nightly  comparing  5,000 entries so far']);
});

test('no line is ever wider than the terminal, and a bar never over-full', () => {
  const number = fc.nat(1e15);
  fc.assert(
    fc.property(
      fc.integer({ min: 20, max: 300 }),
      fc.string({ minLength: 1, maxLength: 64 }),
      fc.constantFrom('scan' as const, 'transfer' as const, 'delete' as const),
      fc.tuple(number, number, number, number, number, number),
      (columns, job, phase, [a, b, c, d, rate, left]) => {
        const shown = progress({
          phase,
          files: { done: a, total: b },
          bytes: { done: c, total: d },
        });
        for (const line of progressBlock(job, { progress: shown, rate, left }, columns)) {
          expect(line.length).toBeLessThanOrEqual(columns);
        }
      },
    ),
  );
});
