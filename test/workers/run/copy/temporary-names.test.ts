/** The names of ferryline's own files: always of the form that scans skip, always short enough. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isOurs, join, nameOf, parentOf } from '../../../../src/core/entry.js';
import {
  asidePath,
  halfOf,
  markOf,
  readOwnName,
  temporaryPath,
} from '../../../../src/workers/run/copy/temporary-names.js';

const writer = halfOf(['an installation', 'job', './a', 'd:b']);
const mark = markOf(writer, ['f', 5, 1.5]);
const start = Date.UTC(2026, 0, 2, 3, 4, 5);
const name = fc
  .string({ unit: 'grapheme', minLength: 1, maxLength: 255 })
  .filter((text) => !/[/\0]/.test(text) && Buffer.byteLength(text) <= 255);

test('a fingerprint has two halves of twelve digits, and each depends on all its parts in their order', () => {
  expect(mark).toMatch(new RegExp(`^${writer}[0-9a-f]{12}$`));
  expect(markOf(writer, ['f', 5, 1.5])).toBe(mark);
  expect(markOf(writer, ['f', 5, undefined])).not.toBe(mark);
  expect(halfOf(['an installation', 'job', './ad', ':b'])).not.toBe(writer);
});

test('names have the documented form', () => {
  expect(temporaryPath('d/x.txt', mark, start)).toMatch(
    new RegExp(`^d/\\.x\\.txt\\.${mark}\\.t[0-9a-z]{5}-[0-9a-z]{8}\\.ferrypart$`),
  );
  expect(asidePath('x', writer)).toMatch(new RegExp(`^\\.x\\.${writer}[0-9a-f]{12}\\.ferryold$`));
});

test('whatever a file is called, its names are beside it, are ours and fit into 255 bytes', () => {
  fc.assert(
    fc.property(name, fc.integer({ min: 0, max: 2 ** 45 }), (text, at) => {
      const path = join('d/e', text);
      for (const own of [temporaryPath(path, mark, at), asidePath(path, writer)]) {
        expect(parentOf(own)).toBe('d/e');
        expect(isOurs(nameOf(own))).toBe(true);
        expect(Buffer.byteLength(nameOf(own))).toBeLessThanOrEqual(255);
      }
    }),
  );
});

test('two long names with the same beginning get different temporary names', () => {
  const [a, b] = ['a', 'b'].map((end) => asidePath('n'.repeat(250) + end, writer));
  expect(a).not.toBe(b);
});

test('a temporary name is new each time', () => {
  const names = [() => temporaryPath('x', mark, start), () => asidePath('x', writer)];
  for (const next of names) expect(new Set(Array.from({ length: 5000 }, next)).size).toBe(5000);
});

test('a temporary name says who wrote it, what, and when, to the second', () => {
  for (const at of [start, 0, 999, Date.UTC(2200, 0)])
    expect(readOwnName(temporaryPath('x', mark, at))).toEqual({
      ...{ writer, mark, start: Math.floor(at / 1000) * 1000 },
    });
  expect(readOwnName(asidePath('x.y', writer))).toMatchObject({ writer, start: undefined });
});

test.each([
  ['.x.0123456789abcdef.t00000-abcdefgh.ferrypart', true],
  ['.x.0123456789abcdef.ferryold', true],
  [`.x.${mark}.t00000-abcdefgh.ferrypart`, true],
  [`.x.${mark}0.ferryold`, false],
  [`.x.${mark.slice(1)}.ferryold`, false],
  [`.x.${mark.toUpperCase()}.ferryold`, false],
  [`.x.${mark}.t00000-abcdefgh.ferrypart.txt`, false],
  ['x.ferrypart', false],
])('%s is of ferryline: %s', (text, is) => {
  expect(isOurs(text)).toBe(is);
});

test('a name of an older version names no writer', () => {
  expect(readOwnName('.x.0123456789abcdef.000001-abcdefgh.ferrypart')).toEqual({
    ...{ writer: undefined, mark: undefined, start: 1000 },
  });
  expect(readOwnName('.x.0123456789abcdef.ferryold').writer).toBeUndefined();
});
