/** The search for how many requests a server should have at once, on servers that are formulas. */
import { describe, expect, test } from 'vitest';
import { QueueDepth } from '../../../../src/endpoints/sftp/client/queue-depth.js';

interface Server {
  /** Answers a second with `atOnce` requests at a time, `at` seconds after the start. */
  rate(atOnce: number, at: number): number;
  /** ms */
  readonly roundTrip: number;
}

/** All requests wait for one lock, which costs more the more of them wait. */
const thrashing: Server = { roundTrip: 1, rate: (atOnce) => 20_000 / Math.max(10, atOnce) };
/** As fast with four at once as with a thousand. */
const busy: Server = { roundTrip: 1, rate: (atOnce) => 2000 * Math.min(1, atOnce / 4) };

interface Course {
  /** Each limit that was kept. */
  readonly limits: readonly number[];
  readonly depth: QueueDepth;
  /** All answers, and those during trials of a smaller limit. */
  readonly answers: number;
  readonly tried: number;
}

/** Runs a server for a while with `demand` requests that always wait. */
function serve(
  { rate, roundTrip }: Server,
  { demand = 256, seconds = 120, begin = Number.POSITIVE_INFINITY } = {},
): Course {
  const limits: number[] = [];
  const depth = new QueueDepth((limit) => limits.push(limit));
  depth.kept = begin;
  let answers = 0;
  let tried = 0;
  for (let now = 0; now < seconds * 1000; answers++) {
    const atOnce = Math.min(demand, depth.limit);
    const each = 1000 / rate(atOnce, now / 1000);
    now += each;
    if (depth.limit < depth.kept) tried++;
    depth.answered(now - Math.max(roundTrip, atOnce * each), now, 0, roundTrip, atOnce - 1);
  }
  return { limits, depth, answers, tried };
}

test('a server that gets slower with more requests gets fewer, step by step', () => {
  const { limits, depth, answers } = serve(thrashing);
  expect(limits).toEqual([64, 16, 4]);
  expect(depth.kept).toBe(4);
  // it can do at most 2,000 a second, and does 78 with all requests at once
  expect(answers).toBeGreaterThan(0.7 * 120 * 2000);
});

test.each([10, 50, 256, 1000])('a busy server that does not get slower gets all %i', (demand) => {
  const { limits, answers, tried } = serve(busy, { demand });
  expect(limits).toEqual([]);
  expect(answers).toBeGreaterThan(0.999 * 120 * 2000);
  // a smaller limit is tried now and then, and less and less often
  expect(tried).toBeLessThan(0.11 * answers);
});

test('a smaller limit is not even tried where the line takes all the time', () => {
  const line: Server = { roundTrip: 50, rate: (atOnce) => (atOnce / 55) * 1000 };
  const { limits, tried } = serve(line, { demand: 1000 });
  expect(limits).toEqual([]);
  expect(tried).toBe(0);
});

test('a limit that is only a little faster is not kept', () => {
  const { limits } = serve({ roundTrip: 1, rate: (atOnce) => 2000 - atOnce });
  expect(limits).toEqual([]);
});

test('a limit that is too low is raised', () => {
  const good: Server = { roundTrip: 20, rate: (atOnce) => Math.min(5000, atOnce * 50) };
  const { limits, depth } = serve(good, { begin: 4 });
  expect(limits).toEqual([16, 64, 256]);
  expect(depth.kept).toBe(256);
  expect(serve(good, { begin: 4, demand: 1000 }).limits).toEqual([16, 64, 256, 1024]);
  expect(serve({ ...good, rate: (n) => n * 50 }, { begin: 4, demand: 5000 }).limits.at(-1)).toBe(
    Number.POSITIVE_INFINITY,
  );
});

test('a server that recovers gets more requests again', () => {
  const { limits } = serve(
    {
      roundTrip: 20,
      rate: (atOnce, at) => (at < 60 ? thrashing.rate(atOnce, at) : Math.min(5000, atOnce * 50)),
    },
    { seconds: 300 },
  );
  expect(limits).toEqual([64, 16, 64, 256]);
});

describe('a change of the work is not mistaken for an effect of the limit', () => {
  for (const factor of [0.1, 0.5, 2, 10])
    test(`${factor} times the answers a second from any moment on`, () => {
      for (let change = 0.5; change < 8; change += 0.1) {
        const rate = (atOnce: number, at: number) =>
          busy.rate(atOnce, at) * (at < change ? 1 : factor);
        expect(serve({ ...busy, rate }, { seconds: 20 }).limits, `at ${change} s`).toEqual([]);
      }
    });
});

test('nothing is concluded from requests that are too few to be held back', () => {
  expect(serve(thrashing, { demand: 12 }).limits).toEqual([]);
  const { limits, depth } = serve(thrashing, { demand: 12, begin: 64 });
  expect(limits).toEqual([]);
  expect(depth.limit).toBe(64);
});

test('a pause is no slowness', () => {
  // nothing is requested from 1.5 s to 31.5 s
  const limits: number[] = [];
  const depth = new QueueDepth((limit) => limits.push(limit));
  for (let now = 0; now < 10_000; now += 0.5) {
    const at = now < 1500 ? now : now + 30_000;
    const atOnce = Math.min(256, depth.limit);
    depth.answered(at - atOnce / 2, at, 0, 1, atOnce - 1);
  }
  expect(limits).toEqual([]);
});
