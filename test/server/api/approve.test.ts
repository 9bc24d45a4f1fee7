/** Runs that only plan, and plans that the guard refused and somebody approves: the one plan, or none. */
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { test } from '../../kit/base.js';
import { addApi, askApi, hostOf, operateToken } from '../../kit/daemons/api.js';
import { eventually, startDaemon } from '../../kit/daemons/daemon.js';
import { valuesIn } from '../../kit/metrics.js';

test('a dry run changes nothing; a refused plan is carried out once it is approved, as it was, or not at all', async ({
  scene,
}) => {
  await scene.jobs({ operation: 'mirror', trash: false, window: false });
  addApi(scene);
  scene.writeHere({ 'new.txt': 'new' });
  scene.writeThere({ 'old-1': 'x', 'old-2': 'y' });
  const daemon = await startDaemon(scene);
  const host = await hostOf(daemon);
  const get = async (path: string) =>
    (await askApi(host, `/api/v1/${path}`, { token: operateToken })).body;
  const post = (path: string, body?: object) =>
    askApi(host, `/api/v1/${path}`, {
      method: 'POST',
      token: operateToken,
      ...(body && {
        body: JSON.stringify(body),
        headers: { 'content-type': 'application/json' },
      }),
    });
  const endOf = (run: string) =>
    eventually(async () => {
      const found = await get(`runs/${run}`);
      return found.state === 'ended' ? found : undefined;
    });
  const there = () =>
    readdirSync(scene.there())
      .filter((name) => name !== '.ferryline')
      .sort();
  const planOf = async (run: string) =>
    (await get(`runs/${run}/plan`)).items.map((one: { action?: string; path?: string }) =>
      one.action === undefined ? one : `${one.action} ${one.path}`,
    );

  // It exits as the run's guard would, and is no success.
  const dry = await post('jobs/job/dry-run');
  expect(dry).toMatchObject({ status: 202, body: { joined: false } });
  expect(await endOf(dry.body.run)).toMatchObject({ outcome: 'refused', dryRun: true, by: 'ops' });
  const actions = ['copy new.txt', 'delete old-1', 'delete old-2'];
  expect(await planOf(dry.body.run)).toEqual([expect.objectContaining({ deletes: 2 }), ...actions]);
  expect(there()).toEqual(['old-1', 'old-2']);
  expect((await get('jobs/job')).last).toBeUndefined();
  expect(await post(`runs/${dry.body.run}/rerun`)).toMatchObject({ status: 409 });

  const refused = (await post('jobs/job/run')).body.run;
  expect(await endOf(refused)).toMatchObject({ outcome: 'refused' });
  expect(await post(`runs/${refused}/approve`)).toMatchObject({ status: 400 });
  expect(await post(`runs/${refused}/approve`, { deletions: 3 })).toMatchObject({
    status: 409,
    body: { detail: expect.stringContaining('deletes 2 entries, and 3 was typed') },
  });
  expect(there()).toEqual(['old-1', 'old-2']);
  const approved = await post(`runs/${refused}/approve`, { deletions: 2 });
  expect(approved).toMatchObject({ status: 202, body: { joined: false } });
  expect(await endOf(approved.body.run)).toMatchObject({
    ...{ outcome: 'succeeded', by: 'ops', approves: refused, files: { copied: 1, deleted: 2 } },
  });
  expect(there()).toEqual(['new.txt']);
  // A second yes is the same one.
  expect((await post(`runs/${refused}/approve`, { deletions: 2 })).body).toEqual({
    ...{ run: approved.body.run, joined: true },
  });
  expect(await post(`runs/${approved.body.run}/approve`, { deletions: 2 })).toMatchObject({
    status: 409,
    body: { detail: expect.stringContaining('was not refused') },
  });

  // A side that has changed since: another plan, so nothing is done.
  scene.writeThere(Object.fromEntries(Array.from({ length: 30 }, (_, n) => [`more-${n}`, 'x'])));
  const second = (await post('jobs/job/run')).body.run;
  expect(await endOf(second)).toMatchObject({ outcome: 'refused' });
  scene.writeThere({ 'late.txt': 'x' });
  const drifted = await post(`runs/${second}/approve`, { deletions: 30 });
  expect(await endOf(drifted.body.run)).toMatchObject({ outcome: 'refused', approves: second });
  expect(there()).toHaveLength(32);

  // Whose plan is gone can't be approved.
  const third = (await post('jobs/job/run')).body.run;
  await endOf(third);
  for (const file of [`logs/${third}.ndjson`, `plans/${third}.ndjson`])
    rmSync(join(scene.cwd, '.state', file));
  expect(await post(`runs/${third}/approve`, { deletions: 31 })).toMatchObject({
    status: 409,
    body: { kind: 'refused', detail: expect.stringContaining('is gone') },
  });
  const { body } = await askApi(host, '/metrics');
  const counts = (outcome: string) => valuesIn(body, 'ferryline_runs_total', { outcome })[0]?.value;
  expect([counts('succeeded'), counts('refused')]).toEqual([1, 4]);
  expect(existsSync(join(scene.cwd, '.state/audit.log'))).toBe(true);
  expect(await daemon.stop()).toBe(0);
}, 120_000);
