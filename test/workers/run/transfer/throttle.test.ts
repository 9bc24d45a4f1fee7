/** A rate is kept, and a flow that ends early takes nothing of it. */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Throttle } from '../../../../src/workers/run/transfer/throttle.js';

// the fake clock reaches the global setTimeout, not the one that promises
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
    const throttle = new Throttle(() => 1000);
    await vi.advanceTimersByTimeAsync(10_000);
    // a tenth of a second is let through at once, however long nothing flowed
    expect(await passes(throttle, [100, 500, 500, 500])).toEqual([0, 0, 500, 1000]);
  });

  test('many at once share it', async () => {
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

  test('says each second that it waits on purpose', async () => {
    const onWait = vi.fn();
    const throttle = new Throttle(() => 1000);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(await passes(throttle, [100, 2500, 100], onWait)).toEqual([0, 0, 2500]);
    expect(onWait).toHaveBeenCalledTimes(3);
  });

  test('an abort ends the wait, and what did not flow is not waited for', async () => {
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
