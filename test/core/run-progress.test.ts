/** What a worker says of a run's progress fits into 512 bytes, whatever the path. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { mostProgressBytes, runProgress } from '../../src/core/run-progress.js';

const most = Number.MAX_SAFE_INTEGER;
const view = {
  progress: {
    event: 'progress',
    phase: 'transfer',
    scanned: most,
    files: { done: most, total: most },
    bytes: { done: most, total: most },
  },
  rate: most,
  left: most * 1000,
} as const;
const run = { run: 'r'.repeat(64), job: 'j'.repeat(64) };
const bytesOf = (value: unknown) => Buffer.byteLength(JSON.stringify(value));

test('it has at most 512 bytes, with the end of a long path', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 600 }), (path) => {
      const state = runProgress(run, view, path);
      expect(bytesOf(state)).toBeLessThanOrEqual(mostProgressBytes);
      const { path: shown = '' } = state;
      if (shown !== path) expect(path.endsWith(shown.replace(/^…/, ''))).toBe(true);
    }),
  );
  const state = runProgress(run, view, `${'folder/'.repeat(100)}name.txt`);
  expect(state.path).toMatch(/^…\S+\/folder\/name\.txt$/);
  expect(bytesOf(state)).toBeGreaterThan(mostProgressBytes - 8);
});

test('what is not known is left out', () => {
  const { progress } = view;
  const state = runProgress(run, { progress, rate: undefined, left: undefined }, undefined);
  expect(Object.keys(state)).toEqual(['run', 'job', 'phase', 'scanned', 'files', 'bytes']);
});
