/** How the entries of two listings are paired by name. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { byForm, pairUp, sameButForm } from '../../../src/jobs/plan/pair.js';

const listing = (names: readonly string[]) => names.map((name) => ({ name }));

function paired(source: readonly string[], destination: readonly string[]) {
  const pairs: (readonly [string | undefined, string | undefined])[] = [];
  const groups = pairUp(listing(source), listing(destination), (ours, theirs) =>
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

  test.each<[string, string[], string[], string[][]]>([
    ['names equal after NFC', ['e\u0301'], ['\u00e9'], [['e\u0301'], ['\u00e9']]],
    ['such names at the source alone', ['e\u0301', '\u00e9'], [], [['e\u0301', '\u00e9'], []]],
    [
      'a name beyond ASCII that is an ASCII one (KELVIN SIGN)',
      ['\u212a'],
      ['K'],
      [['\u212a'], ['K']],
    ],
    ['a change of case where case does not count', ['A'], ['a'], [['A'], ['a']]],
    ['final sigma', ['ΟΔΟΣ', 'οδος'], ['οδοσ'], [['ΟΔΟΣ', 'οδος'], ['οδοσ']]],
    ['sharp s', ['straße'], ['STRASSE'], [['straße'], ['STRASSE']]],
    ['a name listed twice at the source', ['a', 'a'], ['a'], [['a', 'a'], ['a']]],
    ['and at the destination', ['a'], ['a', 'a'], [['a'], ['a', 'a']]],
    ['and where the other side lacks it', ['a', 'a'], [], [['a', 'a'], []]],
  ])('groups %s', (_what, source, destination, group) => {
    const plain = ['plain'];
    expect(paired([...plain, ...source], [...destination, ...plain])).toEqual({
      pairs: [['plain', 'plain']],
      groups: [group],
    });
  });

  test('leaves pairs alone that fold together, if both sides have each', () => {
    expect(paired(['A', 'a'], ['a', 'A']).groups).toEqual([]);
    expect(paired(['A', 'a', 'x'], ['a', 'A']).groups).toEqual([]);
    expect(paired(['A', 'a'], ['a']).groups).toEqual([[['A', 'a'], ['a']]]);
    expect(paired(['a', 'a', 'x'], ['a', 'x', 'X']).groups).toHaveLength(2);
  });

  test('leaves no entry out, and uses none twice', () => {
    const names = fc.array(fc.constantFrom('a', 'A', 'b', 'é', 'e\u0301', 'É', 'ß', 'ss', 'SS'));
    fc.assert(
      fc.property(names, names, (source, destination) => {
        const { pairs, groups } = paired(source, destination);
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

test('byForm: entries whose names differ in form stay together, in case they part', () => {
  const [source, destination] = [['\u00c9', '\u00e9'], ['e\u0301']].map(listing);
  const group = { key: '\u00e9', source: source ?? [], destination: destination ?? [] };
  expect(byForm(group).map((it) => [it.source.length, it.destination.length])).toEqual([
    [1, 0],
    [1, 1],
  ]);
});

test('sameButForm: Unicode form and nothing else', () => {
  expect(sameButForm('\u00e9', 'e\u0301')).toBe(true);
  expect(sameButForm('\u00e9', 'E\u0301')).toBe(false);
  expect(sameButForm('a', 'A')).toBe(false);
});
