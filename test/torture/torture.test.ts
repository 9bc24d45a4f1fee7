/**
 * The randomized test of whole runs. `npm test` plays cases for a minute, `npm run torture` as long as it is
 * told to. A failure prints its seed and the shrunk case; both replay it (test/README.md).
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { anyCase } from './case.js';
import { play } from './play.js';
import { asked } from './settings.js';

const { seed, path, milliseconds, isLong } = asked(60_000);

/** One case of so many is played twice, to see that it is the same again. */
const playedAgainEach = 40;

test('any two trees, any job, any server', { timeout: milliseconds + 120_000 }, async () => {
  let cases = 0;
  let met = 0;
  const property = fc.asyncProperty(anyCase, async (drawn) => {
    cases++;
    const { wrong, events, traces } = await play(drawn);
    met += events;
    expect(wrong).toEqual([]);
    if (cases % playedAgainEach !== 0) return;
    const again = await play(drawn);
    expect(['11 replay', again.traces]).toEqual(['11 replay', traces]);
  });
  await fc
    .assert(property, {
      seed,
      ...(path === undefined ? {} : { path }),
      numRuns: isLong || path !== undefined ? 1e9 : 1000,
      interruptAfterTimeLimit: milliseconds,
    })
    .finally(() => {
      console.log(`torture: seed ${seed}: ${cases} cases, ${met} faults and changes met`);
    });
  expect(cases).toBeGreaterThan(path === undefined ? 20 : 0);
});
