/** Which runs count against which limit. At one byte a second, whatever has to wait never ends here. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Bandwidth } from '../../../../src/core/bandwidth.js';
import type { Job } from '../../../../src/core/job.js';
import type { Remote } from '../../../../src/core/remote.js';
import { SessionPool } from '../../../../src/endpoints/sftp/pool.js';
import { bandwidthOf, limitProcess } from '../../../../src/workers/run/transfer/bandwidth.js';

let stop = new AbortController();
beforeEach(() => {
  stop = new AbortController();
});
afterEach(() => stop.abort(new Error('the test is over')));

const limit = (rate: number): Bandwidth => ({ rate, windows: [] });
const archive = { name: 'archive', bandwidth: limit(1) } as Remote;
const job = (bandwidth: number | undefined, ...remotes: (Remote | undefined)[]) =>
  ({
    bandwidth: bandwidth === undefined ? undefined : limit(bandwidth),
    from: { remote: remotes[0] },
    to: { remote: remotes[1] },
    starts: {},
  }) as unknown as Job;

/** Moves many bytes through the first, and returns whether one more may then flow through the second. */
async function flows(first: Job, second: Job, onePool = true): Promise<boolean> {
  const pool = new SessionPool();
  const passOf = (of: Job, its = pool) => bandwidthOf(of, its, stop.signal, () => {});
  await passOf(first)()?.(1000);
  const after = passOf(second, onePool ? pool : new SessionPool())()?.(1) ?? Promise.resolve();
  after.catch(() => {});
  const turns = (async () => {
    for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
    return false;
  })();
  return Promise.race([after.then(() => true), turns]);
}

test.each([
  ['two runs of a process share their remote’s', job(undefined, undefined, archive), false],
  ['whichever side it is', job(undefined, archive, undefined), false],
  ['another remote has its own', job(undefined, { ...archive, name: 'other' }), true],
  [
    'as has one whose definition has changed',
    job(undefined, { ...archive, bandwidth: limit(2) }),
    true,
  ],
  ['no limit, no wait', job(undefined), true],
])('%s', async (_what, second, expected) => {
  expect(await flows(job(undefined, archive), second)).toBe(expected);
});

test('other pools do not count against a remote, nor other runs against a job', async () => {
  expect(await flows(job(undefined, archive), job(undefined, archive), false)).toBe(true);
  expect(await flows(job(1), job(1))).toBe(true);
});

test('the limits of a job and of its remote both apply', async () => {
  expect(await flows(job(1, { ...archive, bandwidth: limit(1e9) }), job(undefined, archive))).toBe(
    true,
  );
  expect(await flows(job(1e9, archive), job(1e9, archive))).toBe(false);
});

test('a remote on both sides counts once', async () => {
  const pass = bandwidthOf(
    job(undefined, archive, archive),
    new SessionPool(),
    stop.signal,
    () => {},
  );
  await pass()?.(1000);
});

test('the limit of the process is shared by all its runs, and may come, change and go while they run', async () => {
  const pool = new SessionPool();
  const [first, second] = [job(undefined), job(undefined, archive)].map((of) =>
    bandwidthOf(of, pool, stop.signal, () => {}),
  );
  expect(first?.()).toBeUndefined();
  limitProcess(pool, limit(1));
  await first?.()?.(1000);
  let flowed = false;
  const waiting = second?.()?.(1).then(() => {
    flowed = true;
  });
  for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
  expect(flowed).toBe(false);
  limitProcess(pool, undefined);
  await waiting;
  expect(first?.()).toBeUndefined();
});
