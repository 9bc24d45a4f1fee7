/** The daemon on one box, its queue in the state folder: killed, doubled, its files damaged. */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { isRoot } from '../kit/account.js';
import { test } from '../kit/base.js';
import { startFerryline } from '../kit/daemons/cli.js';
import { eventually, runsOf, startDaemon } from '../kit/daemons/daemon.js';
import { readTree } from '../kit/files/tree.js';

const endedOf = async (scene: Parameters<typeof runsOf>[0]) =>
  (await runsOf(scene)).filter(({ state }) => state === 'ended');

test('a second daemon is refused and names the first; a dead one is taken over at once', async ({
  scene,
}) => {
  const first = await startDaemon(scene);
  const second = await scene.cli(['start']);
  expect(second.code).toBe(8);
  expect(second.stderr).toContain(`process ${first.pid}`);
  await first.kill9();
  const third = await startDaemon(scene);
  expect((await scene.cli(['status', '--json'])).events[0]).toMatchObject({ pid: third.pid });
  expect(await third.stop()).toBe(0);
}, 120_000);

test('daemons that are all pid 1, as in containers', async ({ scene }) => {
  const wrap = [
    'unshare',
    ...(isRoot ? [] : ['-Ur']),
    '--pid',
    '--fork',
    '--mount-proc',
    '--kill-child',
  ];
  const first = startFerryline(['start'], { cwd: scene.cwd, wrap });
  await first.said(/started: /);
  expect((await scene.cli(['status', '--json'])).events[0]).toMatchObject({ pid: 1 });
  const second = await startFerryline(['start'], { cwd: scene.cwd, wrap }).ended;
  expect(second.code).toBe(8);
  expect(second.stderr).toContain('process 1');
  first.child.kill('SIGKILL');
  await first.ended;
  const third = startFerryline(['start'], { cwd: scene.cwd, wrap });
  await third.said(/started: /);
  third.child.kill('SIGKILL');
  await third.ended;
}, 120_000);

test('a damaged state folder: set aside with warnings, all of it, and the next look finds what is left', async ({
  scene,
}) => {
  scene.writeHere({ a: 'one' });
  await scene.jobs({ schedule: '0 0 1 1 *', watch: { rescan: '1h' }, settle: '100ms' });
  const daemon = await startDaemon(scene);
  await eventually(async () => (await endedOf(scene)).length > 0);
  await daemon.kill9();
  const state = join(scene.cwd, '.state');
  rmSync(join(state, 'queue/pglite/PG_VERSION'));
  writeFileSync(join(state, 'slots.json'), '{"job": "yes", ');
  writeFileSync(join(state, 'paused.json'), '{"job": null}');
  for (const name of readdirSync(join(state, 'runs/job')))
    truncateSync(join(state, 'runs/job', name), 30);
  mkdirSync(join(state, 'logs/broken'), { recursive: true });
  rmSync(join(state, 'control.sock'));
  writeFileSync(join(state, 'control.sock'), 'no socket');
  scene.writeHere({ b: 'two' });
  const before = readTree(scene.there());
  const again = await startDaemon(scene);
  await eventually(() => existsSync(scene.there('b')));
  expect(readTree(scene.there())).toEqual({ ...before, b: 'two' });
  const warnings = again.stderr();
  for (const what of ['queue/pglite', 'slots.json', 'paused.json'])
    expect(warnings).toMatch(new RegExp(`${what}[^"]* is damaged .*set aside`));
  const asides = readdirSync(state, { recursive: true, encoding: 'utf8' });
  expect(asides.filter((name) => /damaged-[^/]*$/.test(name))).toHaveLength(3);
  await eventually(async () => (await endedOf(scene)).some((run) => run.outcome === 'succeeded'));
  expect(await again.stop()).toBe(0);
}, 120_000);

test('damage while it works: the queue is set aside, and what was acknowledged is added again and runs', async ({
  slowScene: scene,
}) => {
  const daemon = await startDaemon(scene);
  const enqueue = async () => (await scene.cli(['enqueue', 'job', '--json'])).events[0]?.run;
  const active = await enqueue();
  await scene.begun();
  const waiting = await enqueue();
  // BullMQ's tables are those made last. Entries that are added make them longer.
  const files = join(scene.cwd, '.state/queue/pglite/base/5');
  for (const name of readdirSync(files))
    if (/^1[6-9]\d{3}$/.test(name)) truncateSync(join(files, name), 0);
  const extra = `  extra: { operation: push, from: ./data, to: 'archive:${scene.place}-extra' }\n`;
  writeFileSync(join(scene.cwd, 'jobs.yml'), `${readFileSync(scene.fast, 'utf8')}${extra}`);
  await eventually(async () => {
    await scene.cli(['enqueue', 'extra']);
    return /starting again/.test(daemon.stderr());
  });
  await daemon.said(/pglite is damaged .* set aside/);
  await daemon.said(/acknowledged requests that the queue lost were added again/);
  const runs = await eventually(async () => {
    const ended = new Map((await endedOf(scene)).map(({ run, outcome }) => [run, outcome]));
    return ended.has(active) && ended.has(waiting) && ended;
  });
  expect([active, waiting].map((run) => runs.get(run))).toEqual(['succeeded', 'succeeded']);
  expect(scene.arrived()).toEqual(scene.names);
  expect(await daemon.stop()).toBe(0);
}, 120_000);
