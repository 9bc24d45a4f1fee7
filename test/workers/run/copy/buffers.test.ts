/** Buffers are reused. */
import { expect, test } from 'vitest';
import { Buffers } from '../../../../src/workers/run/copy/buffers.js';

test('a buffer that was given back is used again where it is large enough', () => {
  const buffers = new Buffers();
  const first = buffers.take(5000);
  expect(first.length).toBeGreaterThanOrEqual(5000);
  expect(buffers.take(5000)).not.toBe(first);
  buffers.give(first);
  expect(buffers.take(100)).not.toBe(first);
  expect(buffers.take(8000)).toBe(first);
  expect(buffers.take(8000)).not.toBe(first);
});

test('only a limited number is kept', () => {
  const buffers = new Buffers();
  const taken = Array.from({ length: 200 }, () => buffers.take(256 * 1024));
  for (const buffer of taken) buffers.give(buffer);
  const again = Array.from({ length: 200 }, () => buffers.take(256 * 1024));
  expect(again.filter((buffer) => taken.includes(buffer)).length).toBe(64);
});
