import { Queue, Worker } from 'bullmq';
import { expect, test } from 'vitest';
import { consume } from '../../../src/queue/consume.js';
import { openRunQueue } from '../../../src/queue/runs.js';
import { openSignals } from '../../../src/queue/signals.js';
import { openStore } from '../../../src/queue/store/store.js';
import { startMachine } from '../../kit/queue-machine.js';
import { startRedis } from '../../kit/servers/redis.js';
import { queueSuite } from '../../suites/queue-suite.js';

queueSuite('Redis', async () => {
  const redis = await startRedis();
  const open = () =>
    openStore({ url: redis.url, folder: '', onTrouble: () => {}, onWarning: () => {} });
  const stores = [await open(), await open()] as const;
  return {
    stores,
    async stop() {
      await Promise.all(stores.map((store) => store.close()));
      await redis.stop();
    },
  };
});

test('a worker that began while Redis was away takes runs once it is back', async () => {
  const redis = await startRedis();
  const store = await openStore({
    url: redis.url,
    folder: '',
    onTrouble: () => {},
    onWarning: () => {},
  });
  await redis.kill9();
  const taken = new Promise<string>((resolve) => {
    consume(store, {
      workers: [undefined],
      takePlace: () => () => {},
      async carryOut({ request }) {
        resolve(request.run);
        return { next: 'retry', why: 'that it was taken is enough', after: 60_000 };
      },
      onEnded: () => {},
      onGivenUp: () => {},
      onError: () => {},
    });
  });
  await redis.restart();
  const signals = await openSignals(store, () => {});
  const runs = await openRunQueue(store, signals, () => {});
  const request = { run: 'r1', job: 'job', trigger: 'manual' } as const;
  await runs.request(request, { worker: undefined, attempts: 2 });
  expect(await taken).toBe('r1');
  await signals.close();
  await store.close();
  await redis.stop();
});

test('a machine a minute ahead takes no run from a worker that lives, says so, and slots come by the server', async () => {
  const redis = await startRedis();
  const store = await openStore({
    url: redis.url,
    folder: '',
    onTrouble: () => {},
    onWarning: () => {},
  });
  const name = 'ferryline-runs-clocks';
  const entries = new Queue(name, store.options(), store.backend);
  const options = { ...store.options(), autorun: false, lockDuration: 15_000 };
  const worker = new Worker(name, null, options, store.backend);
  await entries.add('run', {}, { jobId: 'held' });
  await worker.getNextJob('ours', { block: false });
  const machine = await startMachine(redis.url, 60_000);
  expect(await machine.opened).toBeUndefined();
  // One search marks, a later one takes.
  for (let n = 0; n < 3; n++)
    expect(await machine.run('(await worker.backend.moveStalledJobsToWait())')).toEqual([]);
  expect(await entries.getJobState('held')).toBe('active');
  expect(await machine.run('said')).toEqual([
    expect.stringMatching(/ ahead of that of the queue's server, .*: slots come by the server's$/),
  ]);
  const ahead = (await machine.run('Date.now() - store.clock()')) as number;
  expect(ahead).toBeGreaterThan(50_000);
  machine.stop();
  await worker.close();
  await entries.close();
  await store.close();
  await redis.stop();
}, 180_000);
