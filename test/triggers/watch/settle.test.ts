/** When a file counts as at rest: a table, and for any writer. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type FileState, Settle } from '../../../src/triggers/watch/settle.js';

/** A look: `size` distinguishes the states, `age` comes from the file's own time; by default that is in the future and says nothing. */
const seen = (size: number, age = -1, changes: Partial<FileState> = {}): FileState => ({
  ...{ size, mtimeMs: size, ctimeMs: size, ino: 1, age },
  ...changes,
});

type Step =
  | readonly [at: number, what: FileState | undefined]
  | readonly [at: number, what: FileState, why: 'event'];

/** When `f` came to rest, after looks at these times; undefined when it didn't. */
function restAt(settle: number, steps: readonly Step[]): number | undefined {
  const watcher = new Settle(settle);
  for (const [at, what, why] of steps) {
    watcher.look('f', what, at, why === 'event');
    if (watcher.ready().length > 0) return at;
  }
  return undefined;
}

describe('at rest', () => {
  test.each<[what: string, settle: number, steps: Step[], at: number | undefined]>([
    ['one look is never enough', 200, [[0, seen(1, 9e9)]], undefined],
    [
      'quiet since long, two looks',
      200,
      [
        [0, seen(1, 9e9)],
        [100, seen(1, 9e9)],
      ],
      100,
    ],
    [
      'two looks too close to each other',
      200,
      [
        [0, seen(1, 9e9)],
        [99, seen(1, 9e9)],
      ],
      undefined,
    ],
    [
      'a short settle needs no more than itself',
      30,
      [
        [0, seen(1, 9e9)],
        [30, seen(1, 9e9)],
      ],
      30,
    ],
    [
      'no settle, still two looks',
      0,
      [
        [0, seen(1)],
        [0, seen(1)],
      ],
      0,
    ],
    [
      'changed just now',
      200,
      [
        [0, seen(1)],
        [199, seen(1, 199)],
      ],
      undefined,
    ],
    [
      'changed a settle ago',
      200,
      [
        [0, seen(1)],
        [200, seen(1, 200)],
      ],
      200,
    ],
    [
      'its own time counts',
      2000,
      [
        [0, seen(1, 1500)],
        [499, seen(1)],
        [500, seen(1)],
      ],
      500,
    ],
    [
      'an event is believed before its own time',
      2000,
      [
        [0, seen(1, 9e9), 'event'],
        [1999, seen(1, 9e9)],
      ],
      undefined,
    ],
    [
      '… and then it waits from there',
      2000,
      [
        [0, seen(1, 9e9), 'event'],
        [2000, seen(1, 9e9)],
      ],
      2000,
    ],
    [
      'written over and over',
      200,
      [
        [0, seen(1)],
        [200, seen(2)],
        [400, seen(3)],
      ],
      undefined,
    ],
    [
      'the last change counts, not the look that saw it',
      200,
      [
        [0, seen(1)],
        [190, seen(2, 150)],
        [240, seen(2, 200)],
        [290, seen(2, 250)],
      ],
      290,
    ],
    [
      'a change seen late needs a second look',
      200,
      [
        [0, seen(1)],
        [900, seen(2, 800)],
        [999, seen(2)],
        [1000, seen(2)],
      ],
      1000,
    ],
    [
      'a time before the look before is not believed',
      200,
      [
        [0, seen(1)],
        [50, seen(2, 9e9)],
        [199, seen(2)],
        [200, seen(2)],
      ],
      200,
    ],
    [
      'a time in the future',
      200,
      [
        [0, seen(1, -9e9)],
        [199, seen(1)],
        [200, seen(1)],
      ],
      200,
    ],
    [
      'a time that lay ahead and has been reached',
      200,
      [
        [0, seen(1, -50)],
        [200, seen(1, 150)],
        [249, seen(1, 199)],
        [250, seen(1, 200)],
      ],
      250,
    ],
    [
      'an mtime in the future',
      200,
      [
        [0, seen(1, 0, { mtimeMs: 9e15 })],
        [200, seen(1, 200, { mtimeMs: 9e15 })],
      ],
      200,
    ],
    [
      'only the mtime changed',
      200,
      [
        [0, seen(1)],
        [200, seen(1, 100, { mtimeMs: 7 })],
      ],
      undefined,
    ],
    [
      'only the change time changed',
      200,
      [
        [0, seen(1)],
        [200, seen(1, 100, { ctimeMs: 7 })],
      ],
      undefined,
    ],
    [
      'another file in its place',
      200,
      [
        [0, seen(1)],
        [200, seen(1, 100, { ino: 2 })],
      ],
      undefined,
    ],
    [
      'gone',
      200,
      [
        [0, seen(1)],
        [100, undefined],
        [200, seen(1)],
      ],
      undefined,
    ],
    [
      'gone and back',
      200,
      [
        [0, seen(1)],
        [100, undefined],
        [150, seen(1)],
        [350, seen(1)],
      ],
      350,
    ],
  ])('%s', (_what, settle, steps, at) => {
    expect(restAt(settle, steps)).toBe(at);
  });

  test('a path is ready once', () => {
    const watcher = new Settle(0);
    for (const at of [0, 0]) watcher.look('f', seen(1), at);
    expect([watcher.ready(), watcher.ready()]).toEqual([['f'], []]);
  });
});

describe('due', () => {
  test('each path when it could be at rest, and when the next one could', () => {
    const watcher = new Settle(1000);
    watcher.look('now', seen(1), 0);
    watcher.look('old', seen(1, 9e9), 0);
    expect(watcher.due(50)).toEqual({ paths: [], next: 100 });
    expect(watcher.due(100)).toEqual({ paths: ['old'], next: 1000 });
    expect(watcher.due(1000).paths.sort()).toEqual(['now', 'old']);
  });

  test('sooner after an event, but once for a thousand events', () => {
    const watcher = new Settle(1000);
    expect(watcher.noteEvent('f', 0)).toBeUndefined();
    watcher.look('f', seen(1), 0);
    expect([watcher.noteEvent('f', 10), watcher.noteEvent('f', 300)]).toEqual([510, 510]);
    expect(watcher.due(509)).toEqual({ paths: [], next: 510 });
    watcher.look('f', seen(2, 210), 510);
    expect(watcher.due(510)).toEqual({ paths: [], next: 1300 });
  });
});

test('too many paths: an overflow, once, and all is forgotten', () => {
  const watcher = new Settle(0, 3);
  for (const path of ['a', 'b', 'c']) watcher.look(path, seen(1), 0);
  expect(watcher.overflow()).toBe(false);
  watcher.look('c', seen(1), 0);
  watcher.look('d', seen(1), 0);
  expect(watcher.overflow()).toBe(false);
  watcher.look('e', seen(1), 0);
  expect([watcher.overflow(), watcher.overflow()]).toEqual([true, false]);
  expect(watcher.due(9).paths).toEqual([]);
  expect(watcher.ready()).toEqual([]);
});

describe('any writer, looked at any time', () => {
  const run = fc.record({
    settle: fc.integer({ min: 0, max: 3000 }),
    gaps: fc.array(fc.integer({ min: 1, max: 4000 }), { minLength: 1, maxLength: 12 }),
    extra: fc.array(fc.integer({ min: 0, max: 20_000 }), { maxLength: 20 }),
    /** Milliseconds by which the file's clock is behind; an event reports each write then. */
    behind: fc.constantFrom(0, 0, 500, 1e6, -1e6),
    noise: fc.integer({ min: 0, max: 40 }),
  });

  test('it is ready after the last write only, never while it is written, and in time', () => {
    fc.assert(
      fc.property(run, ({ settle, gaps, extra, behind, noise }) => {
        let time = 0;
        const writes = gaps.map((gap) => (time += gap));
        const stateAt = (now: number) => writes.filter((write) => write <= now).length;
        const watcher = new Settle(settle);
        const told: number[] = [];
        let waits = false;
        const look = (now: number, event: boolean) => {
          const state = stateAt(now);
          const last = writes[state - 1];
          const age = last === undefined ? 0 : now - last + behind;
          watcher.look('f', last === undefined ? undefined : seen(state, age), now, event);
          waits = last !== undefined;
          if (watcher.ready().length === 0) return;
          told.push(now);
          waits = false;
        };
        const last = writes.at(-1) as number;
        // it is looked at on events, when it is due (a little late), and at any other time
        const looks = new Set(extra);
        const end = last + settle + 200 + 2 * noise;
        for (let now = 0; now <= end; now++) {
          const wrote = writes.includes(now);
          if (wrote && watcher.noteEvent('f', now) === undefined) look(now, true);
          else if (looks.has(now) && (behind === 0 || waits)) look(now, false);
          const due = watcher.due(now - noise);
          if (due.paths.length > 0) look(now, false);
        }
        for (const at of told) {
          const before = writes.filter((write) => write <= at).at(-1) as number;
          expect(at - before).toBeGreaterThanOrEqual(settle);
        }
        expect(told.at(-1) ?? -1).toBeGreaterThanOrEqual(last + settle);
      }),
      { numRuns: 200 },
    );
  });
});
