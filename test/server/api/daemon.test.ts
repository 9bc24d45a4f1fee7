/** The API of a whole daemon, over TCP. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { test } from '../../kit/base.js';
import { addApi, askApi, hostOf, operateToken, viewToken } from '../../kit/daemons/api.js';
import { eventually, startDaemon } from '../../kit/daemons/daemon.js';
import { startDaemonNamed } from '../../kit/daemons/named-daemon.js';
import { labelsIn, metricNames, valuesIn } from '../../kit/metrics.js';

const act = (host: string, path: string, key?: string) =>
  askApi(host, `/api/v1/${path}`, {
    method: 'POST',
    token: operateToken,
    headers: key === undefined ? {} : { 'idempotency-key': key },
  });

test('a daemon lets in the tokens of jobs.yml, as it is, records what they do, and prints none', async ({
  scene,
}) => {
  await scene.jobs({});
  scene.writeHere({ 'a.txt': 'a' });
  addApi(scene);
  const daemon = await startDaemon(scene, { args: ['-v'] });
  const host = await hostOf(daemon);
  expect((await askApi(host, '/readyz')).body).toEqual({
    queue: { kind: 'embedded', state: 'up' },
  });
  expect((await askApi(host, '/api/v1/session')).status).toBe(401);
  expect((await askApi(host, '/api/v1/session', { token: `${viewToken}x` })).status).toBe(401);
  const session = await askApi(host, '/api/v1/session', { token: viewToken });
  expect(session.body).toEqual({ by: 'wall', role: 'view', via: 'http' });
  await scene.cli(['enqueue', 'job', '--wait']);
  const get = async (path: string) => (await askApi(host, path, { token: viewToken })).body;
  const { items } = await get('/api/v1/runs?job=job&outcome=succeeded');
  const { run } = items[0];
  expect(items).toMatchObject([{ job: 'job', trigger: 'manual', state: 'ended' }]);
  for (const path of ['', '/failures', '/log', '/transcript'])
    await get(`/api/v1/runs/${run}${path}`);
  expect((await get(`/api/v1/runs/${run}/plan`)).items).toMatchObject([
    { event: 'plan', copies: 1 },
    { event: 'action', action: 'copy', path: 'a.txt', bytes: 1 },
  ]);
  for (const path of ['', '/runs', '/stats']) await get(`/api/v1/jobs/job${path}`);
  for (const path of ['now', 'jobs', 'runs', 'schedule', 'slots', 'workers', 'remotes'])
    await get(`/api/v1/${path}`);
  expect((await get(`/api/v1/runs/${run}/log`)).items.at(-1)).toMatchObject({ event: 'run', run });
  expect((await get('/api/v1/workers')).items).toMatchObject([{ pid: daemon.pid }]);
  const status = await scene.cli(['status', '--json']);
  expect(JSON.parse(status.stdout)).toMatchObject({ api: `http://${host}` });

  writeFileSync(join(scene.cwd, 'wall.token'), 'another-token-0123456789');
  daemon.child.kill('SIGHUP');
  await daemon.said(/jobs.yml was reloaded/);
  expect((await askApi(host, '/api/v1/session', { token: viewToken })).status).toBe(401);
  const renewed = await askApi(host, '/api/v1/session', { token: 'another-token-0123456789' });
  expect(renewed.status).toBe(200);

  // What is asked for with a key is one run, over a restart too.
  const { status: before, body: paused } = await act(host, 'jobs/job/pause');
  expect([before, paused]).toEqual([200, {}]);
  expect((await act(host, 'jobs/job/run')).body).toMatchObject({ kind: 'refused', status: 409 });
  expect((await act(host, 'jobs/job/resume')).body).toMatchObject({ wasPaused: true });
  const first = await act(host, 'jobs/job/run', 'key-1');
  expect(first).toMatchObject({ status: 202, body: { joined: false } });
  // The metrics count what was run, and know of it after a restart.
  const ended = async () => {
    const { body } = await askApi(await hostOf(daemon), '/metrics');
    const of = { job: 'job', outcome: 'succeeded' };
    return valuesIn(body, 'ferryline_runs_total', of)[0]?.value === 2 ? body : undefined;
  };
  const counted = await eventually(ended);
  expect(Object.keys(labelsIn(counted))).toEqual(Object.keys(metricNames));
  expect(valuesIn(counted, 'ferryline_files_total', { action: 'copied' })[0]?.value).toBe(1);
  expect(valuesIn(counted, 'ferryline_remote_up')[0]?.value).toBe(1);
  const lastSuccess = (text: string) =>
    valuesIn(text, 'ferryline_last_success_timestamp_seconds', { job: 'job' })[0]?.value;
  expect(lastSuccess(counted)).toBeGreaterThan(1.7e9);
  const recorded = async (query: string) =>
    (await askApi(host, `/api/v1/audit?${query}`, { token: operateToken })).body.items;
  const asked = await recorded('by=ops&action=pause');
  expect(asked).toMatchObject([{ target: 'job', via: 'http', result: 'done' }]);
  const refused = await recorded('action=login');
  expect(refused.at(-1)).toMatchObject({ by: 'unknown', result: 'token' });
  const argv = readFileSync(`/proc/${daemon.pid}/cmdline`, 'utf8');
  expect(await daemon.stop()).toBe(0);
  const next = await startDaemon(scene);
  const { body: restarted } = await askApi(await hostOf(next), '/metrics');
  expect(lastSuccess(restarted)).toBe(lastSuccess(counted));
  const again = await act(await hostOf(next), 'jobs/job/run', 'key-1');
  expect(again.body).toMatchObject({ run: first.body.run, joined: true });
  const outcomeOf = async (id: string) => {
    const found = await askApi(await hostOf(next), `/api/v1/runs/${id}`, { token: operateToken });
    return found.body.outcome === undefined ? undefined : found.body;
  };
  expect(await eventually(() => outcomeOf(first.body.run))).toMatchObject({ by: 'ops' });
  expect(await outcomeOf(run)).toMatchObject({ by: 'cli' });
  expect(await next.stop()).toBe(0);
  const audit = readFileSync(join(scene.cwd, '.state/audit.log'), 'utf8');
  const lines = audit
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  const byCli = lines.find(({ by }) => by === 'cli');
  expect(byCli).toMatchObject({ via: 'socket', action: 'run', target: 'job', run });
  expect(lines.at(-1)).toMatchObject({ by: 'ops', via: 'http', result: 'joined' });
  const said = [audit, daemon.stderr(), next.stderr(), daemon.stdout(), status.stdout, argv].join(
    '\n',
  );
  // nor does any file of the state folder, the database of the queue included
  const kept = readdirSync(join(scene.cwd, '.state'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'latin1'));
  for (const secret of [viewToken, operateToken, 'another-token-0123456789'])
    for (const text of [said, ...kept]) expect(text.includes(secret)).toBe(false);
}, 120_000);

test('two daemons start on one machine: the default port is done without where it is taken', async ({
  scene,
}) => {
  await scene.jobs({});
  const first = await startDaemonNamed(scene, 'first', 'embedded');
  const second = await startDaemonNamed(scene, 'second', 'embedded');
  // the first may lack the port as well: another test's daemon has it then
  expect(`${first.stderr()}${second.stderr()}`).toMatch(
    /can't listen on 127\.0\.0\.1:7022: another process has that port/,
  );
  for (const daemon of [first, second]) {
    expect((await daemon.cli(['status'])).code).toBe(0);
    expect(await daemon.stop()).toBe(0);
  }
}, 120_000);
