/** What an operator is warned of, from what the processes say about themselves. */
import { expect, test } from 'vitest';
import type { Job } from '../../src/core/job.js';
import { type KnownWorker, warningsOfWorkers } from '../../src/core/known-worker.js';

let pid = 10;

const process = (host: string, change: Partial<KnownWorker> = {}): KnownWorker => ({
  id: host,
  host,
  pid: ++pid,
  version: '0.2.0',
  roles: ['worker'],
  names: [],
  digest: 'aaaa',
  runs: [],
  startedAt: '2026-11-24T02:00:00.000Z',
  seenAt: '2026-11-24T02:00:00.000Z',
  ...change,
});
const job = (name: string, worker?: string) => ({ name, starts: { worker } as Job['starts'] });

test('nothing is wrong while all have one version and one jobs.yml, and each job has a worker', () => {
  const all = [process('a'), process('b', { names: ['web-1'] })];
  expect(warningsOfWorkers(all, [], [job('any'), job('named', 'web-1')])).toEqual([]);
});

test('different jobs.yml and versions are warned of with each of them named; digests of different versions are not compared', () => {
  pid = 10;
  const [a, b, c] = [process('a'), process('b', { digest: 'bbbb' }), process('c')];
  expect(warningsOfWorkers([a, b, c], [], [])).toEqual([
    'processes go by different jobs.yml: aaaa on a (process 11), c (process 13); bbbb on b (process 12); give all of them the same file',
  ]);
  const old = process('old', { version: '0.1.0', digest: 'cccc' });
  expect(warningsOfWorkers([a, old], [], [])).toEqual([
    'processes of different versions share the queue: 0.2.0 on a (process 11); 0.1.0 on old (process 14); finish the upgrade',
  ]);
});

test('processes without a job in common are two installations, which are named in place of their other differences', () => {
  pid = 20;
  const all = [
    process('prod-1', { jobs: ['a', 'b'] }),
    process('test-1', { jobs: ['x'], digest: 'cccc' }),
    process('prod-3', { jobs: ['c', 'd'], digest: 'dddd' }),
    process('prod-2', { jobs: ['b', 'c'], digest: 'bbbb' }),
    process('idle', { jobs: [] }),
    process('older'),
  ];
  expect(warningsOfWorkers(all, [], [])).toEqual([
    '2 installations share the queue, since their jobs.yml have no job in common: test-1 (process 22); prod-1 (process 21), prod-3 (process 23), prod-2 (process 24); give one of them a "name" in its jobs.yml, or another database in the URL of its queue',
  ]);
  expect(warningsOfWorkers(all.slice(3), [], [])[0]).toMatch(/^processes go by different jobs/);
});

test('a worker that jobs ask for and nobody is gets one warning; a process of that name without the role is none', () => {
  const front = process('front', { roles: ['scheduler'], names: ['web-1'] });
  const jobs = ['a', 'b', 'c', 'd', 'e', 'f'].map((name) => job(name, 'web-1'));
  expect(warningsOfWorkers([front], [], [...jobs, job('other')])).toEqual([
    'no known process is worker web-1: runs of a, b, c, d and 2 more wait; start one with --worker web-1',
  ]);
});

test('a process that does not make itself known is warned of, with its address where the store says it', () => {
  const text = (where: string) =>
    `an earlier version of ferryline uses the queue as well${where}; stop it: the two know nothing of each other's runs`;
  expect(warningsOfWorkers([], [''], [])).toEqual([text('')]);
  expect(warningsOfWorkers([], ['10.0.0.7:4711'], [])).toEqual([
    text(', connected from 10.0.0.7:4711'),
  ]);
});
