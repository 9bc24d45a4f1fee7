/** A rate is kept, and a flow that ends early uses none of it. */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Throttle } from '../../../../src/workers/run/transfer/throttle.js';

// fake timers replace the global setTimeout, not the one of node:timers/promises
vi.mock('node:timers/promises', () => ({
  setTimeout: (ms: number, value: unknown, { signal }: { signal: AbortSignal }) =>
    new Promise((resolve, reject) => {
      setTimeout(resolve, ms, value);
      signal.addEventListener('abort', () => reject(signal.reason));
    }),
}));

describe('Throttle', () => {
  beforeEach(() => vi.useFakeTimers({ now: 0 }));
  afterEach(() => vi.useRealTimers());

  /** Milliseconds after which each of these amounts may flow, requested one after another. */
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

  test('keeps the rate: later bytes wait for earlier ones', async () => {
    const throttle = new Throttle(() => 1000);
    await vi.advanceTimersByTimeAsync(10_000);
    // a burst is a tenth of a second, however long nothing has flowed
    expect(await passes(throttle, [100, 500, 500, 500])).toEqual([0, 0, 500, 1000]);
  });

  test('concurrent flows share the rate', async () => {
    const throttle = new Throttle(() => 1000);
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

  test('reports every second that it waits', async () => {
    const onWait = vi.fn();
    const throttle = new Throttle(() => 1000);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(await passes(throttle, [100, 2500, 100], onWait)).toEqual([0, 0, 2500]);
    expect(onWait).toHaveBeenCalledTimes(3);
  });

  test('an abort ends the wait, and later flows do not wait for those bytes', async () => {
    const throttle = new Throttle(() => 1000);
    await vi.advanceTimersByTimeAsync(10_000);
    const stop = new AbortController();
    await throttle.pass(1000, stop.signal);
    const waiting = expect(throttle.pass(50_000, stop.signal)).rejects.toThrow();
    stop.abort(new Error('stop'));
    await waiting;
    expect(await passes(throttle, [1])).toEqual([900]);
  });
});
