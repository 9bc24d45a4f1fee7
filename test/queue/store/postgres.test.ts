import { type Job, Queue, Worker } from 'bullmq';
import pg from 'pg';
import { describe, expect, test, vi } from 'vitest';
import { openSignals } from '../../../src/queue/signals.js';
import { openStore } from '../../../src/queue/store/store.js';
import { startMachine } from '../../kit/queue-machine.js';
import { startPostgres } from '../../kit/servers/postgres.js';
import { queueSuite } from '../../suites/queue-suite.js';

queueSuite('PostgreSQL', async () => {
  const postgres = await startPostgres();
  const stores = [await openAt(postgres.url), await openAt(postgres.url)] as const;
  return {
    stores,
    async stop() {
      await Promise.all(stores.map((store) => store.close()));
      await postgres.stop();
    },
  };
});

test('an event whose transaction commits after that of a later event is not missed', async () => {
  const postgres = await startPostgres();
  const store = await openAt(postgres.url);
  const signals = await openSignals(store, () => {});
  const heard: string[] = [];
  signals.on('cancel', ({ run }) => heard.push(run));
  const slow = new pg.Client({ connectionString: postgres.url });
  await slow.connect();
  await slow.query('BEGIN');
  await slow.query(
    `INSERT INTO bullmq.event (queue, event, data, created_at_ms) VALUES ('ferryline-messages', 'cancel', '{"run": "first"}', 0)`,
  );
  await signals.send('cancel', { run: 'second' });
  await vi.waitFor(() => expect(heard).toEqual(['second']), 5000);
  await slow.query('COMMIT');
  await slow.end();
  await signals.send('cancel', { run: 'third' });
  await vi.waitFor(() => expect(heard.toSorted()).toEqual(['first', 'second', 'third']), 5000);
  await signals.send('cancel', { run: 'fourth' });
  await vi.waitFor(() => expect(heard.at(-1)).toBe('fourth'), 5000);
  expect(heard).toHaveLength(4);
  await signals.close();
  await store.close();
  await postgres.stop();
});

describe('a machine whose clock is not that of the server', () => {
  test('is refused, with both times, when it is over 2 s off', async () => {
    const postgres = await startPostgres();
    for (const [shift, how] of [
      [
        90_000,
        /^this machine's clock, \S+ \S+ UTC, is 1 min \d+ s ahead of that of the queue's server, \S+ \S+ UTC: /,
      ],
      [-90_000, / is 1 min \d+ s behind that of the queue's server, /],
    ] as const) {
      const machine = await startMachine(postgres.url, shift);
      expect(await machine.opened).toEqual({ kind: 'config', message: expect.stringMatching(how) });
      machine.stop();
    }
    const near = await startMachine(postgres.url, 1000);
    expect(await near.opened).toBeUndefined();
    near.stop();
    await postgres.stop();
  }, 180_000);

  test('takes nothing and frees no lock while it is off, keeps its own, and says so once', async () => {
    const postgres = await startPostgres();
    const store = await openAt(postgres.url);
    const name = 'ferryline-runs-clocks';
    const entries = new Queue(name, store.options(), store.backend);
    const worker = new Worker(name, null, { ...store.options(), autorun: false }, store.backend);
    await entries.add('run', {}, { jobId: 'held' });
    const held = (await worker.getNextJob('ours', { block: false })) as Job;
    await worker.extendJobLocks(['held'], ['ours'], 15_000);
    await entries.add('run', {}, { jobId: 'next' });

    const machine = await startMachine(postgres.url, 0);
    expect(await machine.opened).toBeUndefined();
    const search = '(await worker.backend.moveStalledJobsToWait())';
    await machine.run('shift = 60_000');
    expect(await machine.run('(await worker.getNextJob("theirs", { block: false }))?.id')).toBe(
      undefined,
    );
    // One search marks, a later one takes.
    for (let n = 0; n < 3; n++) expect(await machine.run(search)).toEqual([]);
    expect(await held.getState()).toBe('active');
    expect(await machine.run('said')).toEqual([
      expect.stringMatching(/ahead of .*: it takes no runs until both agree again$/),
    ]);

    await machine.run('shift = 0');
    expect(await machine.run(search)).toEqual([]);
    expect(await machine.run('said.length')).toBe(2);
    expect(await machine.run('said[1]')).toMatch(/agree again/);
    expect(await machine.run('(await worker.getNextJob("theirs", { block: false })).id')).toBe(
      'next',
    );
    await machine.run('shift = -60_000');
    await machine.run('worker.extendJobLocks(["next"], ["theirs"], 15_000)');
    const backend = (
      worker as unknown as { backend: { moveStalledJobsToWait(): Promise<string[]> } }
    ).backend;
    for (let n = 0; n < 3; n++) expect(await backend.moveStalledJobsToWait()).toEqual([]);
    expect(await machine.run('said.length')).toBe(3);
    machine.stop();
    await worker.close();
    await entries.close();
    await store.close();
    await postgres.stop();
  }, 180_000);
});

function openAt(url: string) {
  return openStore({ url, folder: '', onTrouble: () => {}, onWarning: () => {} });
}
