/** Who is notified of what by a whole daemon, once, and what people do about it: by command and over the API. */
import { appendFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect } from 'vitest';
import { test } from '../kit/base.js';
import { addApi, askApi, hostOf, operateToken, viewToken } from '../kit/daemons/api.js';
import { eventually, killDaemons, startDaemon } from '../kit/daemons/daemon.js';
import { startReceiver } from '../kit/servers/receiver.js';

afterEach(killDaemons);

test('a failed run is told once, and so is the success after it; what is silenced is not', async ({
  scene,
  redis,
}) => {
  const receiver = await startReceiver();
  await scene.jobs({ operation: 'push', retry: { attempts: 1 }, description: 'the shop' });
  addApi(scene);
  appendFileSync(
    join(scene.cwd, 'jobs.yml'),
    `\nnotify: { ops: { webhook: "${receiver.url}/hook-of-ops", group: 0s, failures: 2 } }\n`,
  );
  const daemon = await startDaemon(scene, { env: { FERRYLINE_QUEUE: redis.database() } });
  const host = await hostOf(daemon);
  const ask = (path: string, method = 'GET') =>
    askApi(host, `/api/v1/${path}`, { token: operateToken, method });
  const told = () => receiver.received.map(({ body }) => JSON.parse(body));
  const fail = async () => expect((await scene.cli(['enqueue', 'job', '--wait'])).code).not.toBe(0);
  const openOnes = async () => (await ask('incidents?state=open')).body.items;

  // the channel works
  expect((await scene.cli(['notify', 'ops', '--test'])).code).toBe(0);
  expect(told()[0].data.title).toBe('TEST ferryline');
  expect((await scene.cli(['notify', 'opps', '--test'])).stderr).toContain('jobs.yml has ops');

  // one failure is not told, and the second is
  await fail();
  await eventually(async () => (await openOnes()).length === 1);
  expect(told()).toHaveLength(1);
  await fail();
  await eventually(() => told().length === 2);
  expect(told()[1]).toMatchObject({
    type: 'incidents.open',
    data: {
      incidents: [{ step: 'opened', cause: 'refused', job: 'job', description: 'the shop' }],
    },
  });
  const [{ id }] = await openOnes();
  expect((await scene.cli(['status'])).stdout).toMatch(
    new RegExp(`^wrong {3}refused job since .*, 2 times: .* \\(${id}\\)$`, 'm'),
  );
  expect((await ask('now')).body.incidents).toMatchObject([{ id, count: 2 }]);

  // somebody takes care, and who that was is recorded
  const refused = await askApi(host, `/api/v1/incidents/${id}/acknowledge`, {
    token: viewToken,
    method: 'POST',
  });
  expect(refused.status).toBe(403);
  expect((await scene.cli(['acknowledge', 'job'])).stderr).toContain('nobody is reminded');
  expect((await scene.cli(['acknowledge', id.slice(0, 6)])).stderr).toContain('done so before');
  expect((await scene.cli(['acknowledge', 'none'])).code).toBe(2);
  expect((await scene.cli(['status'])).stdout).toContain(`${id}; acknowledged by cli`);
  const audit = readFileSync(join(scene.cwd, '.state/audit.log'), 'utf8');
  expect(audit).toContain(`"action":"acknowledge","target":"${id}","result":"done"`);

  // the end is told
  scene.writeHere({ 'a.txt': 'a' });
  expect((await scene.cli(['enqueue', 'job', '--wait'])).code).toBe(0);
  await eventually(() => told().length === 3);
  expect(told()[2]).toMatchObject({
    type: 'incidents.closed',
    data: { incidents: [{ id, step: 'recovered' }] },
  });
  const { body: whole } = await ask(`incidents/${id}`);
  expect(whole).toMatchObject({ state: 'closed', told: [{ channel: 'ops' }] });
  expect(whole.steps.map(({ step }: { step: string }) => step)).toEqual([
    ...['opened', 'again', 'told', 'acknowledged', 'closed', 'told'],
  ]);
  const { body: sent } = await ask('messages?state=sent');
  expect(sent.items.map(({ id: message }: { id: string }) => message)).toEqual([
    ...[`${id}.recovered.ops`, `${id}.opened.ops`, expect.stringMatching(/^t\w+\.test\.ops$/)],
  ]);
  expect((await ask(`messages/${id}.opened.ops/send`, 'POST')).status).toBe(409);

  // what is silenced is told when the silence ends, if it is open
  expect((await scene.cli(['silence', 'job', '2h', '--reason', 'a move'])).stderr).toContain(
    'job: nobody is told until',
  );
  expect((await scene.cli(['silence', '--list'])).stdout).toMatch(/job +\w.* cli +a move/);
  expect((await scene.cli(['silence', 'nobody', '2h'])).code).toBe(2);
  await scene.jobs({ operation: 'push', from: './gone', retry: { attempts: 1 } });
  addApi(scene);
  appendFileSync(
    join(scene.cwd, 'jobs.yml'),
    `\nnotify: { ops: { webhook: "${receiver.url}/hook-of-ops", group: 0s } }\n`,
  );
  daemon.child.kill('SIGHUP');
  await daemon.said(/jobs.yml was reloaded/);
  await fail();
  const [silenced] = await eventually(async () => {
    const found = await openOnes();
    return found.length > 0 && found;
  });
  expect(silenced.silenced).toMatchObject({ scope: 'job', name: 'job', reason: 'a move' });
  expect(told()).toHaveLength(3);
  expect((await scene.cli(['silence', 'job', '--end'])).code).toBe(0);
  await eventually(() => told().length === 4);
  expect(told()[3].data.incidents).toMatchObject([{ id: silenced.id, step: 'opened' }]);
  expect(await daemon.stop()).toBe(0);
  expect(daemon.stderr()).not.toContain('hook-of-ops');
}, 120_000);
