import { setTimeout as sleep } from 'node:timers/promises';
import { Queue, Worker } from 'bullmq';
import { expect, test } from 'vitest';
import { consume } from '../../../src/queue/consume.js';
import { openRunQueue } from '../../../src/queue/runs.js';
import { openSignals } from '../../../src/queue/signals.js';
import { openStore } from '../../../src/queue/store/store.js';
import { eventually } from '../../kit/daemons/daemon.js';
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

test('a process that was stopped for longer than a connection may be silent hears the others again', async () => {
  const redis = await startRedis();
  const open = () =>
    openStore({ url: redis.url, folder: '', onTrouble: () => {}, onWarning: () => {} });
  const stores = [await open(), await open()] as const;
  const here = await openSignals(stores[0], () => {});
  const there = await openSignals(stores[1], () => {});
  const heard: string[] = [];
  here.on('cancel', ({ run }) => void heard.push(run));
  await there.send('cancel', { run: 'r0' });
  await eventually(() => heard.includes('r0'));
  // It reads again by now.
  await sleep(100);
  // As SIGSTOP and SIGCONT: nothing of this process runs meanwhile.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10_500);
  await eventually(() =>
    there.send('cancel', { run: 'r1' }).then(
      () => true,
      () => false,
    ),
  );
  await eventually(() => heard.includes('r1'));
  for (const signals of [here, there]) await signals.close();
  for (const store of stores) await store.close();
  await redis.stop();
}, 60_000);

test('a machine with another clock takes no run from a worker that lives, says so, and slots and waits go by the server', async () => {
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
  // What it puts off for a minute is due a minute later by the server's clock.
  const due = async () => (await worker.getBackend().moveToActive('ours'))[3] as number;
  await entries.add('run', {}, { jobId: 'put-off' });
  const put = `const job = await worker.getNextJob('theirs', { block: false });
    await job.moveToDelayed(Date.now() + 60_000, 'theirs')`;
  await machine.run(`(await (async () => { ${put} })())`);
  expect(Math.abs((await due()) - store.clock() - 60_000)).toBeLessThan(30_000);
  machine.stop();

  // And a machine that is behind takes it as soon as it is due.
  const behind = await startMachine(redis.url, -600_000);
  expect(await behind.opened).toBeUndefined();
  await entries.add('run', {}, { jobId: 'soon' });
  await worker.getBackend().moveToActive('ours');
  await worker.getBackend().moveToDelayed('soon', Date.now(), 1, 'ours');
  const takes = "(await worker.getNextJob('theirs', { block: false }))?.id";
  await eventually(async () => (await behind.run(takes)) === 'soon');
  behind.stop();
  await worker.close();
  await entries.close();
  await store.close();
  await redis.stop();
}, 180_000);
