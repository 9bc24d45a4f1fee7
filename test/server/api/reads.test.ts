/** What can be read over the API, and lists that go on while runs begin and end. */
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Report } from '../../../src/core/events.js';
import type { RunView } from '../../../src/core/request.js';
import { type Piece, pieceOf } from '../../../src/core/run-piece.js';
import { readPiece } from '../../../src/observe/read-piece.js';
import type { Reads } from '../../../src/server/api/reads.js';
import { indexedRun } from '../../../src/state/run-line.js';
import { RunTable } from '../../../src/state/run-table.js';
import { askApi, type ServedApi, serveApi, viewToken } from '../../kit/daemons/api.js';
import { apiPartsOf, givenControls, reportOf, statusOf } from '../../kit/daemons/controls.js';
import { temporaryFolder } from '../../kit/files/temporary.js';
import { load } from '../../kit/loading.js';

const { jobs, remotes } = load(
  `remotes: { a: { host: h }, b: { host: i } }
jobs:
  nightly: { operation: mirror, from: ./x, to: a:x }
  other: { operation: push, from: ./y, to: b:y }`,
);

let api: ServedApi;
let table: RunTable;
let reports: Map<string, Report>;
let live: RunView[];
let isUp: boolean;
/** What the queue knows of a run. */
let found: (run: string) => RunView | undefined;
let part: Reads['part'];

beforeEach(async () => {
  table = new RunTable();
  reports = new Map();
  live = [];
  isUp = true;
  found = () => undefined;
  part = async () => ({ piece: { lines: [], next: 0, more: false } });
  const controls = givenControls({
    status: async () =>
      statusOf({
        jobs: ['other', 'nightly'].map((job) => ({
          ...{ job, operation: 'push', paused: false, waiting: 0, active: [] },
          last: { run: idOf(1), outcome: 'failed', endedAt: '2026-11-24T02:00:04.200Z' },
        })),
      }),
    view: async (run) => {
      const report = reports.get(run);
      return { run, job: 'nightly', trigger: 'manual', state: 'ended', ...(report && { report }) };
    },
    next: async () => ({
      filesSeen: '',
      jobs: [
        { job: 'nightly', timezone: 'UTC', slots: ['2026-11-25T02:00:00Z'] },
        { job: 'other', timezone: 'UTC' },
      ],
    }),
    queue: () => ({ kind: 'redis', state: isUp ? 'up' : 'down' }),
  });
  const parts = apiPartsOf(controls, [], {
    jobs: () => jobs,
    remotes: () => remotes,
    isUp: () => isUp,
    unfinished: async () => live,
    find: async (run) => found(run),
    table: async () => table,
    report: async (run) => reports.get(run),
    part: (wanted) => part(wanted),
    skipped: async () => [
      { job: 'nightly', slot: '2026-11-23T02:00:00.000Z', why: 'paused' },
      {
        job: 'other',
        slot: '2026-11-24T02:00:00.000Z',
        from: '2026-11-20T02:00:00.000Z',
        count: 5,
        why: 'down',
      },
    ],
  });
  api = await serveApi(parts);
});
afterEach(() => api.listener.close());

const get = (path: string) => askApi(api.host, `/api/v1/${path}`, { token: viewToken });
const runsIn = ({ items }: { items: { run: string }[] }) => items.map(({ run }) => run);
const idOf = (n: number) =>
  `20261124T02${String(Math.floor(n / 60)).padStart(2, '0')}${String(n % 60).padStart(2, '0')}Z-aaaaaaaa`;

function ended(n: number, change: Partial<Report> = {}): void {
  const report = reportOf(idOf(n), change);
  reports.set(report.run, report);
  table.apply(indexedRun(report));
}

function begun(n: number, state: RunView['state'] = 'active'): void {
  live.push({ run: idOf(n), job: 'nightly', trigger: 'manual', state });
}

/** All pages of a list, with `between` called after each. */
async function pages(query: string, between: (page: number) => void = () => {}): Promise<string[]> {
  const found: string[] = [];
  for (let cursor: string | undefined, page = 0; ; page++) {
    const { status, body } = await get(`runs?${query}${cursor ? `&cursor=${cursor}` : ''}`);
    expect(status).toBe(200);
    found.push(...runsIn(body));
    cursor = body.next;
    if (cursor === undefined) return found;
    between(page);
  }
}

describe('the list of runs', () => {
  test('is newest first, those of the queue among those with a report', async () => {
    // an earlier attempt of 4 has a report
    for (const n of [1, 3, 4, 5, 250]) ended(n);
    begun(4);
    begun(300, 'waiting');
    expect(await pages('limit=2')).toEqual([300, 250, 5, 4, 3, 1].map(idOf));
    expect(await pages('')).toEqual([300, 250, 5, 4, 3, 1].map(idOf));
  });

  test('has nothing twice and misses nothing while runs begin and end between its pages', async () => {
    for (let n = 0; n < 400; n += 2) ended(n);
    for (let n = 1; n < 400; n += 2) begun(n);
    const before = Array.from({ length: 400 }, (_, n) => idOf(399 - n));
    const found = await pages('limit=7', (page) => {
      // the newest, the oldest, and those around the cursor
      for (const at of [0, live.length - 1, live.length - 1 - page * 3]) {
        const [view] = live.splice(Math.max(0, at), 1);
        if (view !== undefined) ended(before.length - 1 - before.indexOf(view.run));
      }
      begun(400 + page);
    });
    expect(found).toEqual(before);
  });

  test('keeps a run that has left the queue until its report is here', async () => {
    begun(1);
    expect(runsIn((await get('runs')).body)).toEqual([idOf(1)]);
    live = [];
    const trigger = 'manual';
    found = (run) => ({ run, job: 'nightly', trigger, state: 'ended', report: reportOf(run) });
    for (let i = 0; i < 2; i++)
      expect((await get('runs')).body.items).toMatchObject([{ run: idOf(1), bytes: 3_565_158 }]);
    ended(1);
    expect(runsIn((await get('runs')).body)).toEqual([idOf(1)]);
  });

  test('of one job, an outcome, a remote, a kind, a trigger, a worker, a time, a text', async () => {
    ended(1, { worker: 'web-1' });
    ended(2, { job: 'other', trigger: 'schedule' });
    ended(3, {
      outcome: 'failed',
      error: { kind: 'auth', message: 'No such User' },
    });
    begun(4);
    for (const [query, expected] of [
      ['job=other', [2]],
      ['outcome=failed', [3]],
      ['outcome=succeeded', [2, 1]],
      ['remote=b', [2]],
      ['kind=auth', [3]],
      ['trigger=schedule', [2]],
      ['worker=web-1', [1]],
      ['since=2026-11-24T02:00:03Z', [4, 3]],
      ['until=2026-11-24T03:00:02%2B01:00', [1]],
      ['q=no%20such', [3]],
    ] as const)
      expect(await pages(query), query).toEqual(expected.map(idOf));
    expect(runsIn((await get('jobs/other/runs')).body)).toEqual([idOf(2)]);
    expect((await get('runs?job=none')).status).toBe(404);
    expect((await get('runs?remote=none')).body.hint).toBe('the remotes are a, b');
  });

  test('says of when it is while the queue is out of reach', async () => {
    ended(1);
    begun(2);
    expect((await get('runs')).body.asOf).toBeUndefined();
    isUp = false;
    live = [];
    const { body } = await get('runs');
    expect(runsIn(body)).toEqual([2, 1].map(idOf));
    expect(Date.parse(body.asOf)).toBeLessThanOrEqual(Date.now());
    for (const path of ['now', 'jobs', 'slots']) expect((await get(path)).body.asOf).toBeDefined();
  });
});

describe('what a request may not be', () => {
  const cursor = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');

  test.each([
    ...['x', '%00', '%0d%0aX', 'null', 'e30', '-'.repeat(10_000)],
    ...[[], ['runs'], ['runs', 1, 2], ['runs', 'a', 'b', 'c'], ['jobs', 5], { runs: 1 }].map(
      cursor,
    ),
    cursor(['runs', 'a'.repeat(65), 'b']),
  ])('a cursor that is none of this list: %s', async (forged) =>
    expect(await get(`runs?cursor=${forged}`)).toMatchObject({
      status: 400,
      body: { kind: 'config', errors: [{ path: 'query.cursor' }] },
    }),
  );

  test('of no list', async () => {
    const paths = JSON.parse(
      readFileSync(join(import.meta.dirname, '../../../docs/openapi.json'), 'utf8'),
    ).paths as Record<string, { get?: { parameters?: { name: string }[] } }>;
    const lists = Object.entries(paths).flatMap(([path, { get: route }]) =>
      route?.parameters?.some(({ name }) => name === 'cursor') ? [path] : [],
    );
    expect(lists.length).toBeGreaterThan(8);
    ended(1);
    for (const list of lists) {
      const path = list
        .replace('/api/v1/', '')
        .replace('{job}', 'nightly')
        .replace('{run}', idOf(1));
      for (const forged of ['x', cursor(['other', 1]), cursor([path.split('/').at(-1), -1, {}])])
        expect(await get(`${path}?cursor=${forged}`), path).toMatchObject({
          status: 400,
          body: { kind: 'config' },
        });
    }
  });

  test.each([
    ['runs?limit=0', 'query.limit'],
    ['runs?limit=501', 'query.limit'],
    ['runs?limit=1.5', 'query.limit'],
    ['runs?limit=many', 'query.limit'],
    ['runs?outcome=good', 'query.outcome'],
    ['runs?since=yesterday', 'query.since'],
    ['runs?jbo=nightly', 'query'],
    ['jobs?job=nightly', 'query'],
    ['runs?job=a&job=b', 'query.job'],
  ])('%s', async (path, wrong) => {
    const { status, body } = await get(path);
    expect([status, body.kind, body.errors[0].path]).toEqual([400, 'config', wrong]);
  });

  test.each([
    ...['jobs/none', 'jobs/none/runs', 'jobs/..%2f..%2fetc/stats', 'runs/..%2fx/log', 'runs/a.b'],
    ...['runs/a%00b/failures', `runs/${'x'.repeat(65)}`, 'jobs/a%0d%0aX:%20y/runs', 'nothing'],
  ])('%s: 404, and nothing of it in a header', async (path) => {
    const { status, body, headers } = await get(path);
    expect([status, body.kind]).toEqual([404, 'unknown']);
    expect(headers.get('x')).toBeNull();
  });
});

test('a run, its failures, its log and its plan', async () => {
  const failures = [1, 2, 3].map((n) => {
    return { path: `dir/\u001b[31m${n}\r\n`, kind: 'io' as const, message: 'denied' };
  });
  ended(1, {
    failures,
    failuresOmitted: 2,
    outcome: 'incomplete',
    exitCode: 3,
    notGuaranteed: ['live'],
  });
  expect((await get(`runs/${idOf(1)}`)).body).toMatchObject({
    ...{ run: idOf(1), outcome: 'incomplete', failures: 5, sessions: 1, notGuaranteed: ['live'] },
  });
  const first = (await get(`runs/${idOf(1)}/failures?limit=2`)).body;
  const second = (await get(`runs/${idOf(1)}/failures?limit=2&cursor=${first.next}`)).body;
  expect([...first.items, ...second.items]).toEqual(failures);
  expect([second.next, second.omitted]).toEqual([undefined, 2]);

  const time = '2026-11-24T02:00:00Z';
  const file = join(await temporaryFolder(), 'log');
  part = async (wanted) => ({ piece: (await readPiece(file, wanted)) as Piece });
  const lines = [
    { event: 'plan', copies: 2 },
    { event: 'notice', level: 'warning', message: 'mind the Gap' },
    { event: 'file', action: 'copy', path: 'a/Gap.txt' },
    { event: 'transcript', text: 'OPEN a' },
    { event: 'file', action: 'fail', path: 'b', message: 'denied' },
    { event: 'run', outcome: 'failed', run: idOf(1) },
  ].map((line) => ({ ...line, time }));
  const [counts, notice, copied, said, failed, end] = lines;
  writeFileSync(file, lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
  const of = async (query: string) => (await get(`runs/${idOf(1)}/${query}`)).body;
  expect((await of('plan')).items).toEqual([counts]);
  expect((await of('transcript')).items).toEqual([said]);
  expect((await of('log?level=warning')).items).toEqual([notice, failed, end]);
  expect((await of('log?level=error')).items).toEqual([failed, end]);
  expect((await of('log?q=gAP')).items).toEqual([notice, copied]);
  const log = await of('log?limit=3');
  const rest = await of(`log?limit=3&cursor=${log.next}`);
  expect([log.items, rest.items, rest.next]).toEqual([
    [counts, notice, copied],
    [failed, end],
    undefined,
  ]);
  // of a run that goes on the log can be read on from its end
  live = [{ run: idOf(1), job: 'nightly', trigger: 'manual', state: 'active' }];
  found = (run) => live.find((view) => view.run === run);
  const soFar = await of('log?follow=true');
  expect([soFar.items.length, (await of('log')).next]).toEqual([5, undefined]);
  const none = await of(`log?follow=true&cursor=${soFar.next}`);
  expect(none.items).toEqual([]);
  appendFileSync(file, `${JSON.stringify(counts)}\n`);
  live = [];
  expect(await of(`log?follow=true&cursor=${none.next}`)).toEqual({ items: [counts] });
});

test('a job’s figures say after which time a run is slow, once five are known', async () => {
  const statsOf = async (job: string) => (await get(`jobs/${job}/stats`)).body;
  for (let n = 1; n <= 4; n++) ended(n, { seconds: 100 * n });
  ended(5, { outcome: 'failed', seconds: 9000 });
  expect((await statsOf('nightly')).slowSeconds).toBeUndefined();
  ended(6, { seconds: 500 });
  // three times the median of those that succeeded
  const { slowSeconds, runs } = await statsOf('nightly');
  expect([slowSeconds, runs.length]).toEqual([900, 6]);
  ended(7, { job: 'other' });
  expect((await statsOf('other')).slowSeconds).toBeUndefined();
});

test('what the worker of a run keeps and does not say: where it is', async () => {
  const failures = [{ path: 'a', kind: 'io' as const, message: 'denied' }];
  const cut = { cut: true, failures, failuresOmitted: 1999, worker: 'web-1@h' } as const;
  ended(1, { ...cut, outcome: 'failed', error: { kind: 'io', message: 'too much failed' } });
  part = async () => ({
    piece: { lines: [], next: 0, more: false },
    elsewhere: { worker: 'web-1@h' },
  });
  const rest = { worker: 'web-1@h', message: expect.stringContaining('web-1@h') };
  const of = async (query: string) => (await get(`runs/${idOf(1)}/${query}`)).body;
  expect(await of('log')).toEqual({ items: [], rest });
  expect(await of('plan')).toEqual({ items: [], rest });
  expect(await of('failures')).toEqual({ items: failures, omitted: 1000, rest });
  expect((await get(`runs/${idOf(1)}`)).body).toMatchObject({ failures: 2000, outcome: 'failed' });
  // once it says it, the whole report counts
  const whole = reportOf(idOf(1), { ...cut, sessions: 7 });
  part = async (wanted) => ({ piece: pieceOf([whole], wanted) });
  expect((await get(`runs/${idOf(1)}`)).body).toMatchObject({ sessions: 7 });
});

test('now, jobs and their figures, schedule, slots, workers, remotes', async () => {
  ended(1, { outcome: 'failed', seconds: 2 });
  ended(2, { seconds: 4 });
  begun(3);
  begun(4, 'waiting');
  expect((await get('now')).body).toMatchObject({
    ...{ jobs: 2, waiting: 1, active: [{ run: idOf(3) }], notSucceeded: [{}, { job: 'nightly' }] },
  });
  expect((await get('jobs?limit=1')).body).toMatchObject({
    items: [{ job: 'nightly', from: ['./x'], to: ['a:x'] }],
    next: expect.any(String),
  });
  expect((await get('jobs?q=OTH')).body.items).toMatchObject([{ job: 'other' }]);
  expect((await get('jobs/other')).body).toMatchObject({ job: 'other', to: ['b:y'] });
  expect((await get('jobs/nightly/stats')).body).toMatchObject({
    outcomes: { succeeded: 1, failed: 1 },
    medianSeconds: 4,
    runs: [{ run: idOf(2) }, { run: idOf(1) }],
  });
  expect((await get('schedule')).body.items).toMatchObject([{ job: 'nightly' }]);
  const slots = (await get('slots?limit=1')).body;
  expect(slots.items).toMatchObject([{ job: 'other', count: 5 }]);
  expect((await get(`slots?cursor=${slots.next}`)).body.items).toMatchObject([{ job: 'nightly' }]);
  expect((await get('workers')).body.items).toEqual([]);
  expect((await get('remotes')).body.items).toMatchObject([
    { remote: 'a', host: 'h', jobs: ['nightly'] },
    { remote: 'b', jobs: ['other'] },
  ]);
});
