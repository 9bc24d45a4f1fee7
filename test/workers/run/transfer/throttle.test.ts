/** A rate is kept, and a flow that ends early uses none of it. */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { type Hours, parseHours } from '../../../../src/core/hours.js';
import type { Job } from '../../../../src/core/job.js';
import { SessionPool } from '../../../../src/endpoints/sftp/pool.js';
import { bandwidthOf } from '../../../../src/workers/run/transfer/bandwidth.js';
import { Throttle } from '../../../../src/workers/run/transfer/throttle.js';

// fake timers replace the global setTimeout, not the one of node:timers/promises
vi.mock('node:timers/promises', () => ({
  setTimeout: (ms: number, value: unknown, { signal }: { signal: AbortSignal }) =>
    new Promise((resolve, reject) => {
      const abort = () => reject(signal.reason);
      signal.addEventListener('abort', abort);
      setTimeout(() => {
        signal.removeEventListener('abort', abort);
        resolve(value);
      }, ms);
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

  test('who waits behind bytes that were given up moves up', async () => {
    const throttle = new Throttle(() => 1000);
    await vi.advanceTimersByTimeAsync(10_000);
    const given = new AbortController();
    const { signal } = new AbortController();
    const gone = Array.from({ length: 8 }, () =>
      throttle.pass(1000, given.signal).catch(() => 'gone'),
    );
    const begin = performance.now();
    const at: number[] = [];
    const rest = Array.from({ length: 3 }, () =>
      throttle.pass(1000, signal).then(() => at.push(performance.now() - begin)),
    );
    await vi.advanceTimersByTimeAsync(500);
    given.abort();
    await vi.advanceTimersByTimeAsync(10_000);
    expect(at).toHaveLength(3);
    expect(at[2]).toBeLessThan(4000);
    await Promise.all([...gone, ...rest]);
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

  test.each([
    ['rises', 1, 1000],
    ['ends', 1, undefined],
  ])('a rate that %s while bytes wait counts within a second', async (_what, before, after) => {
    let rate: number | undefined = before;
    const throttle = new Throttle(() => rate);
    const { signal } = new AbortController();
    await throttle.pass(500, signal);
    const flowed = vi.fn();
    const waiting = throttle.pass(500, signal).then(flowed);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(flowed).not.toHaveBeenCalled();
    rate = after;
    await vi.advanceTimersByTimeAsync(2000);
    expect(flowed).toHaveBeenCalled();
    await waiting;
    rate = 1000;
    // what waited under the old rate is no debt under the new one
    expect(await passes(throttle, [100, 100])).toEqual([0, 0]);
  });

  test('a rate that falls while bytes wait counts within a second', async () => {
    let rate = 1000;
    const throttle = new Throttle(() => rate);
    const { signal } = new AbortController();
    await throttle.pass(10_000, signal);
    const flowed = vi.fn();
    const waiting = throttle.pass(1, signal).then(flowed);
    await vi.advanceTimersByTimeAsync(5000);
    rate = 100;
    await vi.advanceTimersByTimeAsync(40_000);
    expect(flowed).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(11_000);
    expect(flowed).toHaveBeenCalled();
    await waiting;
  });
});

describe('bandwidth by the hours', () => {
  const hours = parseHours('Mon-Fri 08:00-18:00') as Hours;
  const bandwidth = { rate: undefined, windows: [{ hours, rate: 1000 }] };
  const job = {
    bandwidth,
    from: {},
    to: {},
    starts: { timezone: 'Europe/Berlin' },
  } as unknown as Job;
  beforeEach(() => vi.useFakeTimers());
  afterEach(() => vi.useRealTimers());

  test('a wait that began in a window ends with it', async () => {
    // a Monday in Berlin, ten seconds before six
    vi.setSystemTime('2026-11-30T16:59:50Z');
    const { signal } = new AbortController();
    const passOf = bandwidthOf(job, new SessionPool(), signal, () => {});
    await passOf()?.(3_600_000);
    const flowed = vi.fn();
    void passOf()?.(1).then(flowed);
    await vi.advanceTimersByTimeAsync(9000);
    expect(flowed).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(2000);
    expect(flowed).toHaveBeenCalled();
  });

  test('a run that began before a window keeps to it from its first second', async () => {
    vi.setSystemTime('2026-11-30T06:59:59Z');
    const { signal } = new AbortController();
    const passOf = bandwidthOf(job, new SessionPool(), signal, () => {});
    for (let n = 0; n < 10; n++) await passOf()?.(1_000_000);
    await vi.advanceTimersByTimeAsync(1000);
    await passOf()?.(1_000_000);
    const flowed = vi.fn();
    void passOf()?.(1).then(flowed);
    await vi.advanceTimersByTimeAsync(998_000);
    expect(flowed).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(3000);
    expect(flowed).toHaveBeenCalled();
  });
});
