import { describe, expect, test } from 'vitest';
import { Quirks, type Sightings } from '../../../src/endpoints/sftp/quirks.js';

const day = 86_400_000;
const monday = Date.UTC(2026, 10, 30);

/** Quirks whose clock the test sets. */
function quirksAt(start: number) {
  const clock = { now: start };
  const said: string[] = [];
  const quirks = new Quirks(
    (text) => said.push(text),
    () => clock.now,
  );
  return { quirks, clock, said };
}

describe('a quirk', () => {
  test('is expected from the third sighting on, said once, and kept when it is new', () => {
    const { quirks, said } = quirksAt(monday);
    for (const expected of [false, false, true, true]) {
      quirks.saw('posixRename');
      expect(quirks.expects('posixRename')).toBe(expected);
    }
    expect(said).toEqual([expect.stringContaining('offers posix-rename and refuses it')]);
    expect(quirks.expects('exclusive')).toBe(false);
    expect(quirks.takeNew()).toEqual({ posixRename: { seen: 3, at: monday } });
    expect(quirks.takeNew()).toBeUndefined();
  });

  test('is expected from the first sighting on where the next one may cost data', () => {
    const { quirks, said } = quirksAt(monday);
    quirks.saw('disorder');
    expect(quirks.expects('disorder')).toBe(true);
    quirks.saw('disorder');
    expect(said).toEqual([expect.stringContaining('in another order')]);
  });

  test('is forgotten seven days after its last sighting, and then needs three again', () => {
    const { quirks, clock } = quirksAt(monday);
    for (let times = 0; times < 3; times++) quirks.saw('exclusive');
    clock.now += 7 * day;
    expect(quirks.expects('exclusive')).toBe(true);
    clock.now += 1;
    expect(quirks.expects('exclusive')).toBe(false);
    quirks.saw('exclusive');
    expect(quirks.expects('exclusive')).toBe(false);
    expect(quirks.takeNew()).toEqual({ exclusive: { seen: 1, at: clock.now } });
  });
});

describe('what earlier runs saw', () => {
  const recalled = (sightings: Sightings) => {
    const { quirks } = quirksAt(monday);
    const sentences = quirks.recall(sightings);
    return { sentences, expects: quirks.expects('readdirsAhead') };
  };

  test.for<[string, unknown, boolean]>([
    ['six days ago', { seen: 3, at: monday - 6 * day }, true],
    ['seven days ago', { seen: 3, at: monday - 7 * day }, false],
    ['twice', { seen: 2, at: monday - 1 }, false],
    ['without a time', { seen: 3 }, false],
    ['as words', { seen: 'often', at: 'lately' }, false],
    ['as null', null, false],
  ])('%s: it counts as it should', ([_when, sighting, expected]) => {
    const { sentences, expects } = recalled({ readdirsAhead: sighting } as Sightings);
    expect(expects).toBe(expected);
    expect(sentences).toHaveLength(expected ? 1 : 0);
  });
});
