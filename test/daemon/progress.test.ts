/** How often workers say how far runs are, and who hears it. The store is two emitters; only time is set. */
import { EventEmitter } from 'node:events';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Progress } from '../../src/core/events.js';
import type { RunProgress } from '../../src/core/run-progress.js';
import { RunsProgress } from '../../src/daemon/progress.js';

const moved: Progress = {
  event: 'progress',
  phase: 'transfer',
  scanned: 5,
  files: { done: 1, total: 4 },
  bytes: { done: 100, total: 400 },
};
const request = { run: 'r1', job: 'nightly', trigger: 'manual' } as const;

/** What went over the store: messages with states, and looks. */
let sent: { states: number; looks: number };
let network: EventEmitter;

beforeEach(() => {
  vi.useFakeTimers();
  sent = { states: 0, looks: 0 };
  network = new EventEmitter();
});
afterEach(() => {
  vi.useRealTimers();
});

function processOf(): RunsProgress {
  const stream = {
    async send(states: readonly RunProgress[]) {
      sent.states++;
      network.emit('states', states, stream);
    },
    on(listener: (states: readonly RunProgress[]) => void) {
      network.on('states', (states, from) => from !== stream && listener(states));
    },
    async close() {},
  };
  const signals = {
    async send(kind: string, message: object) {
      if (kind === 'look') sent.looks++;
      network.emit(kind, message, true);
    },
    on(kind: string, listener: never) {
      network.on(kind, listener);
    },
  };
  return new RunsProgress({ stream, signals, redact: (text) => text.replace('secret', '***') });
}

function begin(worker: RunsProgress) {
  return worker.listening(() => ({ emit() {}, async end() {} }))(request);
}

test('a worker says how far its runs are every 5 s, and every second while somebody watches', async () => {
  const [worker, api] = [processOf(), processOf()];
  const run = begin(worker);
  await vi.advanceTimersByTimeAsync(5000);
  expect([sent.states, worker.of('r1')]).toEqual([0, undefined]);
  run.emit({ event: 'file', action: 'copy', path: 'a/secret.txt' });
  run.emit(moved);
  const { event: _, ...totals } = moved;
  const state = { run: 'r1', job: 'nightly', ...totals, path: 'a/***.txt' };
  expect(worker.of('r1')).toEqual(state);
  await vi.advanceTimersByTimeAsync(30_000);
  expect(sent).toEqual({ states: 6, looks: 0 });
  const still = { ...state, rate: 0 };
  expect(api.of('r1')).toEqual(still);

  const seen: (readonly RunProgress[])[] = [];
  const stop = api.watch((states) => seen.push(states));
  // at once, since the last message may be seconds old
  expect(seen).toEqual([[still]]);
  await vi.advanceTimersByTimeAsync(10_000);
  expect(sent).toEqual({ states: 6 + 11, looks: 3 });
  expect(seen.length).toBe(11);

  // nobody says that a watcher has gone: it is over 15 s after the last look
  stop();
  const before = sent.states;
  await vi.advanceTimersByTimeAsync(15_000);
  expect(sent.states - before).toBe(15);
  await vi.advanceTimersByTimeAsync(30_000);
  expect(sent).toEqual({ states: before + 15 + 6, looks: 3 });
  expect(seen.length).toBe(11);
});

test('fifty watchers cost the store what one does', async () => {
  const [worker, api] = [processOf(), processOf()];
  begin(worker).emit(moved);
  const heard = Array.from({ length: 50 }, () => 0);
  const stops = heard.map((_, at) =>
    api.watch(() => {
      heard[at] = (heard[at] ?? 0) + 1;
    }),
  );
  await vi.advanceTimersByTimeAsync(20_000);
  expect(sent).toEqual({ states: 21, looks: 5 });
  // those that came after the first look hear the next message
  expect(new Set(heard)).toEqual(new Set([21, 20]));
  for (const stop of stops) stop();
  await vi.advanceTimersByTimeAsync(20_000);
  expect(sent.looks).toBe(5);
});

test('what has ended, or was not heard of for a minute, is not shown', async () => {
  const [worker, api] = [processOf(), processOf()];
  const run = begin(worker);
  run.emit(moved);
  await vi.advanceTimersByTimeAsync(5000);
  expect(api.of('r1')).toBeDefined();
  await run.end();
  expect(worker.of('r1')).toBeUndefined();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(api.of('r1')).toBeUndefined();

  begin(worker).emit(moved);
  await vi.advanceTimersByTimeAsync(5000);
  expect(api.of('r1')).toBeDefined();
  network.emit('ended', { run: 'r1' });
  expect([worker, api].map((one) => one.of('r1'))).toEqual([undefined, undefined]);
});
