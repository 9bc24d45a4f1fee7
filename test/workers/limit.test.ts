/** Two limits: nobody gets more than there is, and nobody waits for ever. */
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { each } from '../../src/workers/each.js';
import { Budget, Throttle } from '../../src/workers/limit.js';

// the fake clock reaches the global setTimeout, not the one that promises
vi.mock('node:timers/promises', () => ({
  setTimeout: (ms: number, value: unknown, { signal }: { signal: AbortSignal }) =>
    new Promise((resolve, reject) => {
      setTimeout(resolve, ms, value);
      signal.addEventListener('abort', () => reject(signal.reason));
    }),
}));

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

describe('Throttle', () => {
  beforeEach(() => vi.useFakeTimers({ now: 0 }));
  afterEach(() => vi.useRealTimers());

  /** Milliseconds at which each of these amounts may flow, asked for one after another. */
  async function passes(
    throttle: Throttle,
    amounts: readonly number[],
    onWait?: () => void,
  ): Promise<number[]> {
    const begin = performance.now();
    const at: number[] = [];
    const { signal } = new AbortController();
    const flow = (async () => {
      for (const bytes of amounts) {
        await throttle.pass(bytes, signal, onWait);
        at.push(performance.now() - begin);
      }
    })();
    await vi.runAllTimersAsync();
    await flow;
    return at;
  }

  test('keeps the rate: what follows waits for what went before', async () => {
    const throttle = new Throttle(1000);
    await vi.advanceTimersByTimeAsync(10_000);
    // a tenth of a second is let through at once, however long nothing flowed
    expect(await passes(throttle, [100, 500, 500, 500])).toEqual([0, 0, 500, 1000]);
  });

  test('many at once share it', async () => {
    const throttle = new Throttle(1000);
    await vi.advanceTimersByTimeAsync(10_000);
    const begin = performance.now();
    const at: number[] = [];
    const { signal } = new AbortController();
    const all = Array.from({ length: 5 }, () =>
      throttle.pass(100, signal).then(() => at.push(performance.now() - begin)),
    );
    await vi.runAllTimersAsync();
    await Promise.all(all);
    expect(at).toEqual([0, 0, 100, 200, 300]);
  });

  test('says each second that it waits on purpose', async () => {
    const onWait = vi.fn();
    const throttle = new Throttle(1000);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(await passes(throttle, [100, 2500, 100], onWait)).toEqual([0, 0, 2500]);
    expect(onWait).toHaveBeenCalledTimes(3);
  });

  test('an abort ends the wait, and what did not flow is not waited for', async () => {
    const throttle = new Throttle(1000);
    await vi.advanceTimersByTimeAsync(10_000);
    const stop = new AbortController();
    await throttle.pass(1000, stop.signal);
    const waiting = expect(throttle.pass(50_000, stop.signal)).rejects.toThrow();
    stop.abort(new Error('stop'));
    await waiting;
    expect(await passes(throttle, [1])).toEqual([900]);
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
