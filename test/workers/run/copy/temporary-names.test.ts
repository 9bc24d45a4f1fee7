/** The names of ferryline's own files: always of the form that scans skip, always short enough. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isOurs, join, nameOf, parentOf } from '../../../../src/core/entry.js';
import {
  asidePath,
  readTemporary,
  temporaryPath,
} from '../../../../src/workers/run/copy/temporary-names.js';
import { fingerprint } from '../../../../src/workers/run/fingerprint.js';

const mark = fingerprint(['./a', 'd:b', 'f', 5, 1.5]);
const start = Date.UTC(2026, 0, 2, 3, 4, 5);
const name = fc
  .string({ unit: 'grapheme', minLength: 1, maxLength: 255 })
  .filter((text) => !/[/\0]/.test(text) && Buffer.byteLength(text) <= 255);

test('a fingerprint is sixteen hexadecimal digits and depends on the order of its parts', () => {
  expect(mark).toMatch(/^[0-9a-f]{16}$/);
  expect(fingerprint(['./a', 'd:b', 'f', 5, 1.5])).toBe(mark);
  expect(fingerprint(['./a', 'd:bf', '', 5, 1.5])).not.toBe(mark);
  expect(fingerprint(['./a', 'd:b', 'f', undefined, 1.5])).not.toBe(mark);
});

test('names have the documented form', () => {
  expect(temporaryPath('d/x.txt', mark, start)).toMatch(
    new RegExp(`^d/\\.x\\.txt\\.${mark}\\.t[0-9a-z]{5}-[0-9a-z]{8}\\.ferrypart$`),
  );
  expect(asidePath('x', mark)).toBe(`.x.${mark}.ferryold`);
});

test('whatever a file is called, its names are beside it, are ours and fit into 255 bytes', () => {
  fc.assert(
    fc.property(name, fc.integer({ min: 0, max: 2 ** 45 }), (text, at) => {
      const path = join('d/e', text);
      for (const own of [temporaryPath(path, mark, at), asidePath(path, mark)]) {
        expect(parentOf(own)).toBe('d/e');
        expect(isOurs(nameOf(own))).toBe(true);
        expect(Buffer.byteLength(nameOf(own))).toBeLessThanOrEqual(255);
      }
    }),
  );
});

test('two long names with the same beginning get different temporary names', () => {
  const [a, b] = ['a', 'b'].map((end) => asidePath('n'.repeat(250) + end, mark));
  expect(a).not.toBe(b);
});

test('a temporary name is new each time', () => {
  const many = new Set(Array.from({ length: 5000 }, () => temporaryPath('x', mark, start)));
  expect(many.size).toBe(5000);
});

test('a temporary name contains its fingerprint and its start, to the second', () => {
  for (const at of [start, 0, 999, Date.UTC(2200, 0)])
    expect(readTemporary(temporaryPath('x', mark, at))).toEqual({
      ...{ mark, start: Math.floor(at / 1000) * 1000 },
    });
});

test.each([
  ['an old file set aside', asidePath('x', mark)],
  ['another name', 'x.ferrypart'],
  ['an upper-case fingerprint', `.x.${mark.toUpperCase()}.t00000-abcdefgh.ferrypart`],
  ['something after it', `${temporaryPath('x', mark, start)}.txt`],
])('%s tells nothing', (_what, other) => {
  expect(readTemporary(other)).toBeUndefined();
});
