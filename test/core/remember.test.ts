import { expect, test } from 'vitest';
import { remembered } from '../../src/core/remember.js';

test('an answer is computed once, until there are too many', () => {
  const computed: string[] = [];
  const lengthOf = remembered(2, (text) => {
    computed.push(text);
    return text === '' ? undefined : text.length;
  });
  expect(['', 'a', '', 'a'].map(lengthOf)).toEqual([undefined, 1, undefined, 1]);
  expect(computed).toEqual(['', 'a']);
  expect(['bb', 'a'].map(lengthOf)).toEqual([2, 1]);
  expect(computed).toEqual(['', 'a', 'bb', 'a']);
});

test('an error is no answer', () => {
  let calls = 0;
  const fails = remembered(2, () => {
    calls++;
    throw new Error('no');
  });
  for (let n = 0; n < 2; n++) expect(() => fails('a')).toThrow('no');
  expect(calls).toBe(2);
});
