/** How the entries of two listings are paired by name. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { pairUp, sameButCase } from '../../../src/jobs/plan/pair.js';

const listing = (names: readonly string[]) => names.map((name) => ({ name }));

function paired(source: readonly string[], destination: readonly string[], caseSensitive = true) {
  const pairs: (readonly [string | undefined, string | undefined])[] = [];
  const groups = pairUp(listing(source), listing(destination), caseSensitive, (ours, theirs) =>
    pairs.push([ours?.name, theirs?.name]),
  );
  const names = (entries: readonly { name: string }[]) => entries.map(({ name }) => name);
  return { pairs, groups: groups.map((it) => [names(it.source), names(it.destination)]) };
}

describe('pairUp', () => {
  test('pairs equal names, in whatever order they are listed', () => {
    expect(paired(['a', 'b', 'c'], ['d', 'c', 'a'])).toEqual({
      pairs: [
        [undefined, 'd'],
        ['c', 'c'],
        ['a', 'a'],
        ['b', undefined],
      ],
      groups: [],
    });
  });

  test.each<[string, string[], string[], boolean, string[][]]>([
    ['names equal after NFC', ['e\u0301'], ['\u00e9'], true, [['e\u0301'], ['\u00e9']]],
    [
      'such names at the source alone',
      ['e\u0301', '\u00e9'],
      [],
      true,
      [['e\u0301', '\u00e9'], []],
    ],
    [
      'a name beyond ASCII that is an ASCII one (KELVIN SIGN)',
      ['\u212a'],
      ['K'],
      true,
      [['\u212a'], ['K']],
    ],
    ['a change of case where case does not count', ['A'], ['a'], false, [['A'], ['a']]],
    ['final sigma', ['ΟΔΟΣ', 'οδος'], ['οδοσ'], false, [['ΟΔΟΣ', 'οδος'], ['οδοσ']]],
    ['sharp s', ['straße'], ['STRASSE'], false, [['straße'], ['STRASSE']]],
    ['a name listed twice at the source', ['a', 'a'], ['a'], true, [['a', 'a'], ['a']]],
    ['and at the destination', ['a'], ['a', 'a'], true, [['a'], ['a', 'a']]],
    ['and where the other side lacks it', ['a', 'a'], [], true, [['a', 'a'], []]],
  ])('groups %s', (_what, source, destination, caseSensitive, group) => {
    const plain = ['plain'];
    expect(paired([...plain, ...source], [...destination, ...plain], caseSensitive)).toEqual({
      pairs: [['plain', 'plain']],
      groups: [group],
    });
  });

  test('keeps names that differ in case apart on a case-sensitive side', () => {
    expect(paired(['A', 'a'], ['a'], true).groups).toEqual([]);
  });

  test('leaves no entry out, and uses none twice', () => {
    const names = fc.array(fc.constantFrom('a', 'A', 'b', 'é', 'e\u0301', 'É', 'ß', 'ss', 'SS'));
    fc.assert(
      fc.property(names, names, fc.boolean(), (source, destination, caseSensitive) => {
        const { pairs, groups } = paired(source, destination, caseSensitive);
        for (const side of [0, 1] as const)
          expect(
            [...pairs.map((pair) => pair[side]), ...groups.flatMap((group) => group[side])]
              .filter((name) => name !== undefined)
              .sort(),
          ).toEqual([...(side === 0 ? source : destination)].sort());
        for (const [ours, theirs] of pairs)
          if (ours !== undefined && theirs !== undefined) expect(ours).toBe(theirs);
      }),
    );
  });
});

test('sameButCase: case and nothing else, since anything else may be two files', () => {
  expect(sameButCase('Straße', 'STRAßE')).toBe(true);
  expect(sameButCase('straße', 'STRASSE')).toBe(false);
  expect(sameButCase('\u00e9', 'E\u0301')).toBe(false);
});
