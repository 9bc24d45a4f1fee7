/** The API of several processes: two that answer, and two workers, on one store and with no folder in common. */
import { expect } from 'vitest';
import { test } from '../../kit/base.js';
import { addApi, askApi, hostOf, operateToken } from '../../kit/daemons/api.js';
import { startFerryline } from '../../kit/daemons/cli.js';
import { eventually } from '../../kit/daemons/daemon.js';
import { startDaemonNamed } from '../../kit/daemons/named-daemon.js';
import { openScene, type Server } from '../../kit/scene.js';
import { onEachStore, type SharedStore } from '../../kit/servers/stores.js';

test(
  'each API shows what any worker does, and what it keeps of its runs',
  ({ sshd }) => onEachStore((store) => scenario(store, sshd)),
  120_000,
);

async function scenario(store: SharedStore, sshd: Server): Promise<void> {
  const began = Date.now();
  const scene = await openScene(sshd);
  await scene.jobs({ operation: 'push', retry: false }, { bandwidth: '64KiB/s' });
  addApi(scene);
  // folders are in the way of files: more of them than a report in the queue has room for
  const names = Array.from({ length: 60 }, (_, n) => `${'name'.repeat(20)}-${n}`);
  scene.writeHere(Object.fromEntries(names.map((name) => [name, 'a'])));
  scene.writeThere(Object.fromEntries(names.map((name) => [`${name}/in-the-way`, 'b'])));
  const start = (name: string, ...args: string[]) =>
    startDaemonNamed(scene, name, store.url, { args });
  const [first, ...workers] = await Promise.all([
    start('api-1', '--roles', 'api,scheduler'),
    start('web-1', '--roles', 'worker', '--worker', 'web-1'),
    start('web-2', '--roles', 'worker', '--worker', 'web-2'),
  ]);
  const get = async (host: string, path: string) =>
    (await askApi(host, `/api/v1/${path}`, { token: operateToken })).body;

  const failed = await first.enqueue();
  expect(await first.endOf(failed)).toMatchObject({ outcome: 'incomplete' });
  // an API that was away meanwhile catches up
  const second = await start('api-2', '--roles', 'api');
  const hosts = [await hostOf(first), await hostOf(second)] as const;
  await eventually(async () => (await get(hosts[1], 'jobs/job/stats')).runs.length === 1);
  const { items } = await get(hosts[1], 'runs');
  expect(items).toMatchObject([{ run: failed, outcome: 'incomplete', failures: 60 }]);
  for (const host of hosts) {
    const of = (query: string) => get(host, `runs/${failed}/${query}`);
    const pathsOf = ({ items }: { items: { path?: string }[] }) =>
      items.flatMap(({ path }) => path ?? []);
    expect((await get(host, `runs/${failed}`)).failures).toBe(60);
    expect(pathsOf(await of('failures?limit=500')).sort()).toEqual([...names].sort());
    const [page, other] = [await of('failures?limit=1&q=-42'), await of('failures?kind=auth')];
    expect([pathsOf(page), pathsOf(other), page.omitted]).toEqual([[names[42]], [], 0]);
    const plan = await of('plan?action=conflict&limit=41');
    const rest = await of(`plan?action=conflict&limit=41&cursor=${plan.next}`);
    expect(plan.items[0]).toMatchObject({ event: 'plan', conflicts: 60 });
    expect(pathsOf(plan).length + pathsOf(rest).length).toBe(60);
    const log = await of('log?level=error&limit=500');
    expect(log.items).toHaveLength(61);
    expect(log.items.at(-1)).toMatchObject({ event: 'run', outcome: 'incomplete' });
    expect(await of('transcript')).toEqual({ items: [] });
  }
  const { code, stdout } = await second.cli(['logs', failed]);
  expect([code, stdout]).toEqual([0, expect.stringContaining('-59')]);

  scene.writeHere({ 'first.txt': 'a', 'large.bin': 'x'.repeat(4 * 1024 * 1024) });
  const slow = await first.enqueue();
  for (const host of hosts) {
    const item = await eventually(async () =>
      (await get(host, 'runs')).items.find((one: { progress?: object }) => one.progress),
    );
    const bytes = { total: 4 * 1024 * 1024 + 1 };
    expect(item).toMatchObject({ run: slow, progress: { phase: 'transfer', bytes } });
    expect((await get(host, 'now')).active).toMatchObject([{ run: slow, progress: {} }]);
  }
  expect((await second.cli(['runs'])).stdout).toMatch(/running .* %/);
  const following = startFerryline(['logs', '-f', slow], { cwd: scene.cwd, env: second.env });
  await following.said(/first\.txt/);
  const sofar = await get(hosts[1], `runs/${slow}/log?follow=true`);
  expect(sofar.next).toBeDefined();
  await first.cli(['cancel', slow]);
  expect((await following.ended).code).toBe(0);
  expect(following.stdout()).toMatch(/cancelled/);
  const after = await get(hosts[1], `runs/${slow}/log?follow=true&cursor=${sofar.next}`);
  expect(after.items.at(-1)).toMatchObject({ event: 'run', outcome: 'cancelled' });
  expect(after.next).toBeUndefined();

  // the workers are gone: what came through the queue is left, and where the rest is
  await Promise.all(workers.map((worker) => worker.kill9()));
  const [gone, end, logs] = await Promise.all([
    get(hosts[1], `runs/${failed}/failures?limit=500`),
    get(hosts[0], `runs/${failed}/log?limit=500`),
    second.cli(['logs', failed]),
  ]);
  expect(gone.rest.message).toMatch(/^the rest is on web-[12]@\S+, last seen 20\S+Z$/);
  expect(Date.parse(gone.rest.seenAt)).toBeGreaterThan(began);
  expect(end.rest).toEqual(gone.rest);
  expect(end.items.length).toBeGreaterThan(20);
  expect(end.items.at(-1)).toMatchObject({ event: 'run', outcome: 'incomplete', cut: true });
  expect(logs.stdout).toContain('-59');
  expect(gone.items.length).toBeGreaterThan(5);
  expect(gone.items.length).toBeLessThan(60);
  expect(logs.stderr).toMatch(/worker web-[12]@\S+ does not answer/);

  // One key is one run, whichever daemon is asked, and once it has ended, too.
  const keyed = async (host: string, key: string) => {
    const headers = { 'idempotency-key': key };
    const init = { method: 'POST', token: operateToken, headers };
    return (await askApi(host, '/api/v1/jobs/job/run', init)).body;
  };
  const all = await Promise.all([...hosts, ...hosts].map((host) => keyed(host, 'key-1')));
  const only: string = all[0].run;
  expect(all.map(({ run }) => run)).toEqual([only, only, only, only]);
  expect(all.filter(({ joined }) => !joined)).toHaveLength(1);
  const { run: another } = await keyed(hosts[1], 'key-2');
  expect(another).not.toBe(only);
  for (const run of [only, another]) await first.cli(['cancel', run]);
  for (const host of hosts)
    expect(await keyed(host, 'key-1')).toMatchObject({ run: only, joined: true });
}
