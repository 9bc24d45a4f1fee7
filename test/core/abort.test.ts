/** Waiting that a signal ends: no listener is left, and no rejection is unhandled. */
import { getEventListeners } from 'node:events';
import { expect, test, vi } from 'vitest';
import { abortable, aborted, unlessAborted } from '../../src/core/abort.js';

const listeners = (signal: AbortSignal) => getEventListeners(signal, 'abort').length;

test('a wait that ends by itself gives its value and leaves no listener', async () => {
  const { signal } = new AbortController();
  const value = abortable<number>(signal, (resolve) => void setImmediate(resolve, 7));
  expect(listeners(signal)).toBe(1);
  expect(await value).toBe(7);
  expect(listeners(signal)).toBe(0);
});

test('a wait that fails rejects with its own reason and leaves no listener', async () => {
  const { signal } = new AbortController();
  const failing = abortable(signal, (_, reject) => void setImmediate(reject, new Error('own')));
  await expect(failing).rejects.toThrow('own');
  expect(listeners(signal)).toBe(0);
});

test('an abort rejects with the signal’s reason and undoes the wait once', async () => {
  const controller = new AbortController();
  const undo = vi.fn();
  const waiting = abortable(controller.signal, () => undo);
  controller.abort(new Error('enough'));
  await expect(waiting).rejects.toThrow('enough');
  expect(undo).toHaveBeenCalledTimes(1);
  expect(listeners(controller.signal)).toBe(0);
});

test('with a signal aborted before, nothing is started', async () => {
  const start = vi.fn();
  await expect(abortable(AbortSignal.abort(new Error('before')), start)).rejects.toThrow('before');
  expect(start).not.toHaveBeenCalled();
});

test('work that fails after the abort is nobody’s unhandled rejection', async () => {
  const unhandled = vi.fn();
  process.on('unhandledRejection', unhandled);
  const controller = new AbortController();
  let fail = (_: Error) => {};
  const work = new Promise<never>((_, reject) => {
    fail = reject;
  });
  const waiting = unlessAborted(work, controller.signal);
  controller.abort(new Error('enough'));
  await expect(waiting).rejects.toThrow('enough');
  fail(new Error('late'));
  await new Promise((resolve) => setImmediate(resolve));
  process.off('unhandledRejection', unhandled);
  expect(unhandled).not.toHaveBeenCalled();
});

test('work of a signal aborted before is handled, too', async () => {
  const unhandled = vi.fn();
  process.on('unhandledRejection', unhandled);
  const waiting = unlessAborted(Promise.reject(new Error('own')), AbortSignal.abort('before'));
  await expect(waiting).rejects.toBe('before');
  await new Promise((resolve) => setImmediate(resolve));
  process.off('unhandledRejection', unhandled);
  expect(unhandled).not.toHaveBeenCalled();
});

test('`aborted` resolves at the abort, or at once after it', async () => {
  const controller = new AbortController();
  let done = false;
  const waiting = aborted(controller.signal).then(() => {
    done = true;
  });
  await new Promise((resolve) => setImmediate(resolve));
  expect(done).toBe(false);
  controller.abort();
  await waiting;
  await aborted(controller.signal);
});
