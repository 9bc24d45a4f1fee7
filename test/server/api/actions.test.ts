/** What callers do over the API: who may, what is recorded of it, and keys that make one run. */
import { mkdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { FerryError } from '../../../src/core/errors.js';
import { type AuditLog, openAuditLog } from '../../../src/observe/audit-log.js';
import { RequestKeys } from '../../../src/server/api/request-keys.js';
import { noSuchJob } from '../../../src/server/control/controls.js';
import {
  askApi,
  operateToken,
  type ServedApi,
  serveApi,
  viewToken,
} from '../../kit/daemons/api.js';
import { apiPartsOf, type GivenControls, givenControls } from '../../kit/daemons/controls.js';
import { temporaryFolder } from '../../kit/files/temporary.js';

let state: string;
let api: ServedApi;
let audit: AuditLog;
let controls: GivenControls;
let told: string[];
let queued: string[];
/** What the queue says of a request. */
let answer: () => void;

beforeEach(async () => {
  state = await temporaryFolder();
  audit = openAuditLog(state);
  told = [];
  queued = [];
  answer = () => {};
  controls = givenControls({
    async request(job, { run = 'joined-1' }) {
      if (job === 'none') throw noSuchJob(job);
      answer();
      queued.push(run);
      return { run, joined: run === 'joined-1' };
    },
    jobToRerun: async () => 'nightly',
    cancel: async () => ({ was: 'active' }),
    pause: async () => {},
    resume: async () => ({ wasPaused: true, caughtUp: [] }),
  });
  api = await serveApi(
    apiPartsOf(controls, told, {}, { keys: keys(), audit: (e) => audit.write(e) }),
  );
});
afterEach(async () => {
  await api.listener.close();
  audit.close();
});

let ids = 0;
const keys = (folder = state) =>
  new RequestKeys({
    state: folder,
    newRunId: () => `run-${++ids}`,
    claims: { claim: async (_, run) => ({ run, isSafe: false }), safe: async () => {} },
    exists: async (run) => queued.includes(run),
    onWarning: (message) => told.push(message),
  });

const post = (path: string, init: RequestInit & { token?: string } = {}) =>
  askApi(api.host, `/api/v1/${path}`, { method: 'POST', token: operateToken, ...init });
const json = (body: unknown) => ({
  body: JSON.stringify(body),
  headers: { 'content-type': 'application/json' },
});
const withKey = (key: string) => ({ headers: { 'idempotency-key': key } });
const recorded = () =>
  readFileSync(join(state, 'audit.log'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));

/** What makes something happen. */
const started = [
  'jobs/nightly/run',
  'jobs/nightly/dry-run',
  'jobs/nightly/resume',
  'runs/r-1/rerun',
];

const actions = [
  'jobs/nightly/run',
  'jobs/nightly/pause',
  'jobs/nightly/resume',
  'runs/r-1/rerun',
  'runs/r-1/cancel',
];

test.each(actions)('%s: a token that only reads gets 403, and none 401', async (path) => {
  expect((await post(path, { token: viewToken })).status).toBe(403);
  expect((await askApi(api.host, `/api/v1/${path}`, { method: 'POST' })).status).toBe(401);
  expect(await askApi(api.host, `/api/v1/${path}`, { token: operateToken })).toMatchObject({
    status: 405,
  });
  expect(controls.calls).toEqual([]);
});

test('each is done for whoever asks, and recorded: time, by, via, address, action, target, result, run', async () => {
  for (const path of actions) expect((await post(path)).status).toBeLessThan(300);
  expect((await post('jobs/none/run')).status).toBe(404);
  expect(controls.calls).toEqual([
    'request nightly {"by":"ops"}',
    'pause nightly {"by":"ops"}',
    'resume nightly {"by":"ops","catchUp":false}',
    'request nightly {"by":"ops"}',
    'cancel r-1',
    'request none {"by":"ops"}',
  ]);
  const of = { time: expect.any(String), by: 'ops', via: 'http', address: '127.0.0.1' };
  const run = { action: 'run', target: 'nightly' };
  const rerun = { action: 'rerun', target: 'r-1' };
  expect(recorded()).toEqual([
    { ...of, ...run, result: 'asked' },
    { ...of, ...run, result: 'joined', run: 'joined-1' },
    { ...of, action: 'pause', target: 'nightly', result: 'done' },
    { ...of, action: 'resume', target: 'nightly', result: 'asked' },
    { ...of, action: 'resume', target: 'nightly', result: 'done' },
    { ...of, ...rerun, result: 'asked' },
    { ...of, ...rerun, result: 'joined', run: 'joined-1' },
    { ...of, action: 'cancel', target: 'r-1', result: 'done' },
    { ...of, action: 'run', target: 'none', result: 'asked' },
    { ...of, action: 'run', target: 'none', result: 'unknown' },
  ]);
  expect(statSync(join(state, 'audit.log')).mode & 0o777).toBe(0o600);
  expect(readFileSync(join(state, 'audit.log'), 'utf8')).not.toContain(operateToken);
});

test('where audit.log can’t be written, nothing is started; cancel and pause go through, told', async () => {
  mkdirSync(join(state, 'audit.log'));
  for (const path of [...started, 'runs/r-1/approve'])
    expect(await post(path, path.endsWith('approve') ? json({ deletions: 1 }) : {})).toMatchObject({
      status: 500,
      body: { kind: 'io', detail: expect.stringContaining('audit.log'), hint: expect.any(String) },
    });
  expect(controls.calls).toEqual([]);
  expect((await post('jobs/nightly/pause')).status).toBe(200);
  expect((await post('runs/r-1/cancel')).status).toBe(200);
  expect(controls.calls).toHaveLength(2);
  expect(told).toEqual(['unrecorded: pause nightly by ops', 'unrecorded: cancel r-1 by ops']);
  rmSync(join(state, 'audit.log'), { recursive: true });
  expect((await post('jobs/nightly/run')).status).toBe(202);
});

test('one key makes one run: at once, after a restart, and after a crash before or after it was queued', async () => {
  const all = await Promise.all([1, 2, 3].map(() => post('jobs/nightly/run', withKey('k'))));
  const [first, ...others] = all.map(({ body }) => body);
  expect(first).toMatchObject({ joined: false });
  for (const other of others) expect(other).toEqual({ run: first.run, joined: true });
  // another key, job, action or caller is another request
  for (const [path, key] of [
    ['jobs/nightly/run', 'other'],
    ['jobs/weekly/run', 'k'],
    ['runs/r-1/rerun', 'k'],
  ] as const)
    expect((await post(path, withKey(key))).body).toMatchObject({ joined: false });
  expect(new Set(queued).size).toBe(4);

  const scope = ['ops', 'run', 'nightly'];
  const never = async () => expect.unreachable();
  expect(await keys().once(scope, 'k', never)).toEqual({ run: first.run, joined: true });

  // not acknowledged, so not in the queue: the same id is added
  answer = () => {
    throw new FerryError('network', 'the queue is away');
  };
  expect((await post('jobs/nightly/run', withKey('lost'))).status).toBe(503);
  const lost = await keys().once(scope, 'lost', async (run) => void queued.push(run));
  expect(lost.joined).toBe(false);
  expect(controls.calls.at(-1)).toContain(lost.run);
  // in the queue, but killed before that was written down
  const crashed = keys().once(scope, 'crashed', async (run) => {
    queued.push(run);
    throw new Error('killed');
  });
  await expect(crashed).rejects.toThrow('killed');
  expect(await keys().once(scope, 'crashed', never)).toMatchObject({ joined: true });
});

test('a key is forgotten after a day, and makes a run of its own then', async () => {
  const ask = () => keys().once(['ops', 'run'], 'k', async (run) => void queued.push(run));
  const first = await ask();
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 25 * 3600_000 });
  try {
    expect(await ask()).toMatchObject({ joined: false });
  } finally {
    vi.useRealTimers();
  }
  expect(queued[0]).toBe(first.run);
  expect(new Set(queued).size).toBe(2);
});

test('a key that can’t be kept makes no run', async () => {
  const nowhere = keys('/proc/none');
  const asked = nowhere.once(['ops'], 'k', async (run) => void queued.push(run));
  await expect(asked).rejects.toMatchObject({ kind: 'io', hint: expect.any(String) });
  expect(queued).toEqual([]);
});

test('what an action does not know is refused: keys, values, names', async () => {
  for (const [path, body, wrong] of [
    ['jobs/nightly/run', { exclude: ['*'] }, 'json'],
    ['jobs/nightly/pause', { until: 'tomorrow' }, 'json.until'],
    ['jobs/nightly/pause', { reason: 'x'.repeat(501) }, 'json.reason'],
    ['jobs/nightly/resume', { catchUp: 'yes' }, 'json.catchUp'],
    ['runs/r-1/cancel', { by: 'somebody' }, 'json'],
  ] as const)
    expect(await post(path, json(body))).toMatchObject({
      status: 400,
      body: { kind: 'config', errors: [{ path: wrong }] },
    });
  expect((await post('jobs/nightly/run', { ...json({}), body: '{' })).status).toBe(400);
  expect((await post('jobs/nightly/run', withKey('k'.repeat(201)))).status).toBe(400);
  for (const path of ['jobs/..%2fx/run', 'jobs/a%0d%0ab/pause', 'runs/..%2fx/cancel'])
    expect((await post(path)).status).toBe(404);
  expect(controls.calls).toEqual([]);
  const until = '2026-12-01T08:00:00+01:00';
  expect((await post('jobs/nightly/pause', json({ until, reason: 'a\r\nb' }))).status).toBe(200);
  expect(controls.calls).toEqual([
    `pause nightly {"until":${Date.parse(until)},"reason":"a\\r\\nb","by":"ops"}`,
  ]);
});
