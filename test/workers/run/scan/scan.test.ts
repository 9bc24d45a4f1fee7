/** How many folders are listed at once. */
import { expect, test } from 'vitest';
import type { Endpoint } from '../../../../src/endpoints/endpoint.js';
import { Scope } from '../../../../src/jobs/plan/filter.js';
import { planRules } from '../../../../src/workers/run/plan-rules.js';
import { SameNames } from '../../../../src/workers/run/scan/same-names.js';
import { scan } from '../../../../src/workers/run/scan/scan.js';
import { jobOf, withJob } from '../../../kit/loading.js';
import { memoryEndpoint } from '../../../kit/servers/memory.js';

const folders = 64;
/** Each folder has so many files that few listings at once are enough once that is known. */
const files = 700;
const tree = Object.fromEntries(
  Array.from({ length: folders * files }, (_, i) => [`d${i % folders}/f${i}`, 'x']),
);

/** The most listings in flight on a remote whose round trip (ms) is `roundTrip` of the listings made so far. */
async function mostAtOnce(roundTrip: (listed: number) => number): Promise<number> {
  const source = memoryEndpoint({ tree });
  const memory = memoryEndpoint({ tree });
  let listed = 0;
  let running = 0;
  let most = 0;
  const destination: Endpoint = {
    ...memory,
    can: Object.defineProperty({ ...memory.can }, 'roundTrip', { get: () => roundTrip(listed) }),
    async list(path, signal) {
      listed++;
      most = Math.max(most, ++running);
      try {
        return await memory.list(path, signal);
      } finally {
        running--;
      }
    },
  };
  const job = jobOf(withJob(''));
  const { signal } = new AbortController();
  const { plan } = await scan({
    ...{ job: job.name, operation: job.operation, source, destination, signal },
    only: undefined,
    scope: Scope.of(job.scope, 0),
    rules: planRules(job, source.can, destination.can),
    sameNames: new SameNames({
      destination: { endpoint: destination, elsewhere: () => destination },
    }),
    onProgress: () => {},
  });
  expect(plan.copies).toEqual([]);
  return most;
}

test('with a short round trip few folders are listed at once', async () => {
  expect(await mostAtOnce(() => 1)).toBe(32);
});

test('with a long round trip as many are listed as fill the connection', async () => {
  expect(await mostAtOnce(() => 20)).toBe(folders);
});

test('a round trip that turns out to be shorter applies from then on', async () => {
  expect(await mostAtOnce((listed) => (listed > 0 ? 1 : 20))).toBe(32);
});
