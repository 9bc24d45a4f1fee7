/** The daemon on one box, killed again and again while requests come in: what was acknowledged is done. */
import { expect, onTestFinished } from 'vitest';
import { test } from '../kit/base.js';
import { startFerryline, writeJobs } from '../kit/daemons/cli.js';
import { eventually, startDaemon } from '../kit/daemons/daemon.js';
import { remoteIn } from '../kit/scene.js';

const jobs = ['one', 'two', 'three', 'four', 'five'];

test('five kills amid bursts of requests: every acknowledged one ends in a recorded run', async ({
  sshd,
  scene,
}) => {
  scene.writeHere(Object.fromEntries(jobs.map((name) => [`${name}/file`, name])));
  await writeJobs(scene.cwd, {
    remotes: { archive: remoteIn(sshd) },
    jobs: Object.fromEntries(
      jobs.map((name) => [
        name,
        {
          operation: 'mirror',
          from: `./data/${name}`,
          to: `archive:${scene.place}/${name}`,
          retry: { attempts: 1 },
        },
      ]),
    ),
  });
  let daemon = await startDaemon(scene);
  onTestFinished(() => daemon.kill9());
  const acknowledged = new Map<string, string>();
  for (let kill = 1; kill <= 5; kill++) {
    let alive = true;
    let taken = 0;
    // What a command has printed was acknowledged, also when the next request of it fails.
    const streams = [jobs, [...jobs].reverse()].map(async (names) => {
      while (alive) {
        const asking = startFerryline(['enqueue', ...names, '--json'], { cwd: scene.cwd });
        const { events } = await asking.ended;
        for (const { run, job } of events) if (run !== undefined) acknowledged.set(run, job);
        taken += events.length;
      }
    });
    // Each time at another moment of its runs.
    await eventually(() => taken > 4 * kill);
    await daemon.kill9();
    alive = false;
    await Promise.all(streams);
    daemon = await startDaemon(scene);
  }
  const runs = await eventually(async () => {
    const { events } = await scene.cli(['runs', '--idle', '--json', '--limit', '10000']);
    return events.every(({ state }) => state === 'ended') && events;
  });
  const ends = Object.fromEntries(runs.map(({ run, job, outcome }) => [run, `${job} ${outcome}`]));
  const asked = [...acknowledged].map(([run, job]) => [run, `${job} succeeded`]);
  // Many requests share a run; each kill had some of its own.
  expect(asked.length).toBeGreaterThan(5);
  expect(ends).toMatchObject(Object.fromEntries(asked));
  expect(await daemon.stop()).toBe(0);
}, 180_000);
