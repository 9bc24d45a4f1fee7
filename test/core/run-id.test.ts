/** The names that people use for runs. */
import { expect, test } from 'vitest';
import { isRunId, newRunId, runsMeant } from '../../src/core/run-id.js';

const known = [
  { run: '20261130T025743Z-g6d6a666', job: 'publish' },
  { run: '20261130T025740Z-kx3000ec', job: 'nightly' },
  { run: '20261130T030000Z-aa111111', job: 'nightly' },
  // Only its log is kept.
  { run: '20261201T000000Z-bb222222' },
];

test.each([
  ['20261130T025740Z-kx3000ec', ['20261130T025740Z-kx3000ec']],
  ['20261130T025740Z', ['20261130T025740Z-kx3000ec']],
  ['20261130T0257', ['20261130T025743Z-g6d6a666', '20261130T025740Z-kx3000ec']],
  ['latest', ['20261201T000000Z-bb222222']],
  ['nightly', ['20261130T030000Z-aa111111']],
  ['publish', ['20261130T025743Z-g6d6a666']],
  ['night', []],
  ['', []],
])('%s means %j', (text, runs) => {
  expect(runsMeant(text, known)).toEqual(runs);
});

test('without runs there is no latest one', () => {
  expect(runsMeant('latest', [])).toEqual([]);
});

test('a beginning of an id is no id', () => {
  const id = newRunId(Date.now());
  expect([isRunId(id), isRunId(id.slice(0, -1)), isRunId(`${id}0`), isRunId('latest')]).toEqual([
    true,
    false,
    false,
    false,
  ]);
});
