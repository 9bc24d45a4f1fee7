import { expect, test } from 'vitest';
import { localTime, tableLines } from '../../../src/cli/show/table.js';

test('columns are aligned, and no line ends in spaces', () => {
  expect(tableLines([['a', 'b', ''], ['long', '', ''], ['x', 'yy', 'z'], []])).toEqual([
    'a     b',
    'long',
    'x     yy  z',
    '',
  ]);
});

test('a moment is shown as `ls` does', () => {
  const now = new Date(2026, 10, 24, 12, 0, 0);
  expect(localTime(new Date(2026, 0, 2, 3, 4, 5).toISOString(), now)).toBe('Jan  2 03:04');
  expect(localTime(new Date(2026, 11, 31, 23, 59, 59).toISOString(), now)).toBe('Dec 31 23:59');
  expect(localTime(new Date(2027, 0, 1, 0, 0, 0).toISOString(), now)).toBe('2027-01-01');
  expect(localTime('nonsense', now)).toBe('?');
});
