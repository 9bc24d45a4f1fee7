/** Rows 25 and 26 of docs/faults.md: runs whose worker is killed, and a run requested twice. */
import { copyFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { test } from '../kit/base.js';
import { eventually, runsOf, startDaemon } from '../kit/daemons/daemon.js';
import { startDaemonNamed } from '../kit/daemons/named-daemon.js';
import { onEachStore } from '../kit/servers/stores.js';
import { openSlowScene } from '../kit/slow-scene.js';

test(
  'a run whose worker was killed is finished by another, on each store',
  ({ sshd }) =>
    onEachStore(async (store) => {
      const scene = await openSlowScene(sshd);
      const first = await startDaemonNamed(scene, 'first', store.url);
      const second = await startDaemonNamed(scene, 'second', store.url, {
        config: scene.fast,
        args: ['--roles', 'api'],
      });
      const { run, ended } = await second.enqueueAndWait();
      await scene.begun();
      await first.kill9();
      const third = await startDaemonNamed(scene, 'third', store.url, { config: scene.fast });
      const { code, events } = await ended;
      expect([code, events.at(-1)]).toMatchObject([0, { outcome: 'succeeded', attempt: 1 }]);
      expect(scene.arrived()).toEqual(scene.names);
      expect(await second.runs()).toMatchObject([{ run, outcome: 'succeeded' }]);
      await Promise.all([second.stop(), third.stop()]);
    }),
  120_000,
);

test('a run whose daemon was killed is finished by the next one, embedded', async ({
  slowScene: scene,
}) => {
  const first = await startDaemon(scene);
  const asked = await scene.cli(['enqueue', 'job', '--json']);
  await scene.begun();
  await first.kill9();
  copyFileSync(scene.fast, join(scene.cwd, 'jobs.yml'));
  const second = await startDaemon(scene);
  await eventually(async () => (await runsOf(scene))[0]?.state === 'ended');
  expect(await runsOf(scene)).toMatchObject([
    { run: asked.events[0]?.run, outcome: 'succeeded', report: { attempt: 1 } },
  ]);
  expect(scene.arrived()).toEqual(scene.names);
  await second.stop();
}, 120_000);

test('a run requested twice ends as one requested once', async ({ scene }) => {
  scene.writeHere({ 'a.txt': 'one', 'b/c.txt': 'two' });
  const daemon = await startDaemon(scene);
  const ends = [];
  for (const _ of [1, 2]) ends.push(await scene.cli(['enqueue', 'job', '--wait', '--json']));
  expect(ends.map(({ code, events }) => [code, events.at(-1)?.files.copied])).toEqual([
    [0, 2],
    [0, 0],
  ]);
  // And twice at once: the second request joins the first run, or its run follows.
  const both = await Promise.all(
    [1, 2].map(() => scene.cli(['enqueue', 'job', '--wait', '--json'])),
  );
  expect(both.map(({ code, events }) => [code, events.at(-1)?.files])).toMatchObject([
    [0, { copied: 0, deleted: 0, unchanged: 2 }],
    [0, { copied: 0, deleted: 0, unchanged: 2 }],
  ]);
  expect(readFileSync(scene.there('b/c.txt'), 'utf8')).toBe('two');
  await daemon.stop();
}, 60_000);
