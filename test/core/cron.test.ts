/** Cron expressions as people write them. */
import { expect, test } from 'vitest';
import { cronFields, isAtStart } from '../../src/core/cron.js';

test.each([
  ['0 2 * * *', '0 2 * * *'],
  ['0\t2\t*\t*\t*', '0 2 * * *'],
  ['  0   2 \t * * *  ', '0 2 * * *'],
  ['@hourly', '0 * * * *'],
  ['@daily', '0 0 * * *'],
  ['@midnight', '0 0 * * *'],
  ['@weekly', '0 0 * * 0'],
  ['@monthly', '0 0 1 * *'],
  ['@yearly', '0 0 1 1 *'],
  [' @Annually ', '0 0 1 1 *'],
])('%j', (text, fields) => {
  expect(cronFields(text).join(' ')).toBe(fields);
});

test('@reboot is no time', () => {
  expect(isAtStart('@reboot ')).toBe(true);
  expect(isAtStart('@daily')).toBe(false);
});
