import { expect, test } from 'vitest';
import type { Report } from '../../src/core/events.js';
import { RunEnds } from '../../src/server/run-ends.js';
import { reportOf } from '../kit/daemons/controls.js';

const run = '20261124T020000Z-0gk3f97c';
const ofQueue = reportOf(run, { failuresOmitted: 3 });
const earlier = reportOf(run, { endedAt: '2026-11-24T01:00:00.000Z' });

test.each<[what: string, queue: Report | undefined, here: Report | undefined, ends: Report]>([
  ['the queue has the whole report', ofQueue, undefined, ofQueue],
  ['the queue has a part, and the whole one is here', { ...ofQueue, cut: true }, ofQueue, ofQueue],
  ['it is on another machine', { ...ofQueue, cut: true }, undefined, { ...ofQueue, cut: true }],
  [
    'an earlier attempt was made here',
    { ...ofQueue, cut: true },
    earlier,
    { ...ofQueue, cut: true },
  ],
  ['the queue has none any more', undefined, ofQueue, ofQueue],
])('the report of a run that has ended: %s', async (_, queue, here, ends) => {
  const view = { run, job: 'nightly', trigger: 'manual', state: 'ended' } as const;
  const runs = new RunEnds({
    isUnfinished: () => false,
    find: async () => (queue === undefined ? view : { ...view, report: queue }),
    report: async () => here,
  });
  expect(await runs.endOf(run, new AbortController().signal)).toEqual(ends);
});

test('the end of a run that goes on is heard, with its report; only if it is not heard, the queue is asked', async () => {
  let looks = 0;
  const runs = new RunEnds({
    isUnfinished: () => true,
    async find() {
      looks++;
      return { run, job: 'nightly', trigger: 'manual', state: 'ended', report: ofQueue };
    },
    report: async () => undefined,
  });
  const { signal } = new AbortController();
  const heard = runs.endOf(run, signal);
  const unheard = runs.endOf('20261124T020000Z-0gk3f97d', signal);
  runs.ended(run, earlier);
  expect(await heard).toEqual(earlier);
  expect(looks).toBe(0);
  expect(await unheard).toEqual(ofQueue);
  expect(looks).toBe(1);
});
