/** Looks that are asked for while one is made. */
import { expect, test } from 'vitest';
import { Looker } from '../../src/queue/looker.js';

test('calls during a look make one more, and an error ends none of them', async () => {
  const errors: string[] = [];
  let end = () => {};
  let looks = 0;
  const looker = new Looker(
    async () => {
      if (++looks === 2) throw new Error('away');
      await new Promise<void>((go) => {
        end = go;
      });
    },
    (error) => errors.push(error.message),
  );
  for (let n = 0; n < 3; n++) looker.call();
  expect(looks).toBe(1);
  end();
  await looker.settled();
  expect([looks, errors]).toEqual([2, ['away']]);
  looker.call();
  expect(looks).toBe(3);
  end();
  await looker.settled();
});

test.each([...Array(10).keys()])(
  'a call %d steps after the last one is answered',
  async (steps) => {
    let looks = 0;
    const looker = new Looker(
      async () => {
        looks++;
      },
      () => {},
    );
    looker.call();
    for (let step = 0; step < steps; step++) await Promise.resolve();
    looker.call();
    await new Promise(setImmediate);
    expect(looks).toBe(2);
  },
);
