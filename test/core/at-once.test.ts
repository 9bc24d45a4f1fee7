/** Concurrency limits: never more at once than allowed, and every waiter gets its turn. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Budget, each, sharedLook } from '../../src/core/at-once.js';

describe('Budget', () => {
  test('never gives more than it has, and everyone’s turn comes, in order', async () => {
    const work = fc.array(fc.record({ units: fc.nat(12), turns: fc.nat(4) }), { maxLength: 30 });
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 10 }), work, async (size, items) => {
        const budget = new Budget(size);
        let out = 0;
        const started: number[] = [];
        await Promise.all(
          items.map(async ({ units, turns }, i) => {
            await budget.take(units);
            started.push(i);
            out += Math.min(units, size);
            expect(out).toBeLessThanOrEqual(size);
            for (let turn = 0; turn < turns; turn++) await Promise.resolve();
            out -= Math.min(units, size);
            budget.give(units);
          }),
        );
        expect(started).toEqual(items.map((_, i) => i));
        expect(budget.tryTake(size)).toBe(true);
      }),
    );
  });

  test('a large one that waits is not overtaken by small ones', async () => {
    const budget = new Budget(10);
    await budget.take(6);
    const order: string[] = [];
    const large = budget.take(10).then(() => order.push('large'));
    const small = budget.take(1).then(() => order.push('small'));
    expect(budget.tryTake(1)).toBe(false);
    budget.give(6);
    await large;
    budget.give(10);
    await small;
    expect(order).toEqual(['large', 'small']);
  });

  test('more than the whole counts as the whole, taken and given', () => {
    const budget = new Budget(4);
    expect([budget.tryTake(99), budget.tryTake(1)]).toEqual([true, false]);
    budget.give(99);
    expect([budget.tryTake(4), budget.tryTake(1)]).toEqual([true, false]);
  });
});

/** A promise that the test settles. */
function gate() {
  let resolve = () => {};
  let reject: (error: Error) => void = () => {};
  const promise = new Promise<void>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}

describe('each', () => {
  test('does every item, in order of start, and never more at once than the limit', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.nat(3)),
        fc.integer({ min: 1, max: 6 }),
        async (items, limit) => {
          let running = 0;
          const started: number[] = [];
          await each(items.entries(), limit, async ([i, turns]) => {
            started.push(i);
            expect(++running).toBeLessThanOrEqual(limit);
            for (let turn = 0; turn < turns; turn++) await Promise.resolve();
            running--;
          });
          expect(started).toEqual(items.map((_, i) => i));
          expect(running).toBe(0);
        },
      ),
    );
  });

  test('after the first rejection nothing starts, and what runs is waited for', async () => {
    const gates = [gate(), gate(), gate()];
    const log: string[] = [];
    const done = each([0, 1, 2, 3, 4], 3, async (item) => {
      log.push(`start ${item}`);
      await gates[item]?.promise;
      log.push(`end ${item}`);
    });
    let settled = false;
    const outcome = done.then(
      () => 'resolved',
      (error: Error) => {
        settled = true;
        return error.message;
      },
    );
    gates[1]?.reject(new Error('first'));
    await new Promise(setImmediate);
    gates[0]?.resolve();
    await new Promise(setImmediate);
    expect(settled).toBe(false);
    gates[2]?.reject(new Error('second'));
    expect(await outcome).toBe('first');
    expect(log).toEqual(['start 0', 'start 1', 'start 2', 'end 0']);
  });

  test('nothing to do is done', async () => {
    await each([], 3, () => Promise.reject(new Error('called')));
  });
});

test('each asks for items as often as there are some, not once for each place', async () => {
  let asked = 0;
  const items = {
    [Symbol.iterator]: () => ({ next: () => ({ done: asked++ >= 3, value: asked }) }),
  };
  const seen: number[] = [];
  await each(items, 1000, async (item) => void seen.push(item));
  expect(seen).toEqual([1, 2, 3]);
  expect(asked).toBeLessThan(8);
});

describe('a shared look', () => {
  test('serves all who ask before it begins, and no one who asks later', async () => {
    const begun: (() => void)[] = [];
    let looks = 0;
    const look = sharedLook(async () => {
      const number = ++looks;
      await new Promise<void>((end) => begun.push(end));
      if (number === 2) throw new Error('away');
      return number;
    });
    const first = [look(), look()];
    await Promise.resolve();
    const second = [look(), look()].map((one) => one.catch((error: Error) => error.message));
    begun[0]?.();
    expect(await Promise.all(first)).toEqual([1, 1]);
    await Promise.resolve();
    const third = look();
    begun[1]?.();
    expect(await Promise.all(second)).toEqual(['away', 'away']);
    await Promise.resolve();
    begun[2]?.();
    expect(await third).toBe(3);
  });
});
