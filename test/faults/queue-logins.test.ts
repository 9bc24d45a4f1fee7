/** Row 49 of docs/faults.md: a server that allows two logins, twenty jobs and two workers. */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { writeJobs } from '../kit/daemons/cli.js';
import { eventually } from '../kit/daemons/daemon.js';
import { type NamedDaemon, startDaemonNamed } from '../kit/daemons/named-daemon.js';
import { openScene, remoteIn, type Scene } from '../kit/scene.js';
import { type InProcess, startInProcess } from '../kit/servers/in-process.js';
import { type SharedStore, sharedStores } from '../kit/servers/stores.js';

const jobs = Array.from({ length: 20 }, (_, i) => `job-${i}`);

/** A server that allows `most` logins at once, and a scene of twenty jobs on it; `names` assigns jobs to workers. */
async function openJobs(most: number, names: Readonly<Record<string, string>> = {}) {
  let inside = 0;
  const server = await startInProcess({
    admit: (others) => {
      inside = Math.max(inside, others + 1);
      return others < most;
    },
  });
  onTestFinished(() => server.stop());
  const scene = await openScene(server);
  scene.writeHere(Object.fromEntries(jobs.map((name) => [`${name}/file`, name])));
  const write = () =>
    writeJobs(scene.cwd, {
      remotes: { archive: remoteIn(server, { maxSessions: most }) },
      jobs: Object.fromEntries(
        jobs.map((name) => [
          name,
          {
            operation: 'mirror',
            from: `./data/${name}`,
            to: `archive:${scene.place}/${name}`,
            retry: { attempts: 1 },
            ...(names[name] === undefined ? {} : { worker: names[name] }),
          },
        ]),
      ),
    });
  await write();
  return { server, scene, mostInside: () => inside };
}

/** Requests all jobs at once and waits for their ends. */
async function runAll(scene: Scene, server: InProcess, daemon: NamedDaemon) {
  const { code, events } = await daemon.cli(['enqueue', ...jobs, '--wait', '--json']);
  const outcomes = events.filter(({ event }) => event === 'run').map(({ outcome }) => outcome);
  const bad = events.filter(({ event, outcome }) => event === 'run' && outcome !== 'succeeded');
  expect(bad).toEqual([]);
  expect([code, outcomes]).toEqual([0, jobs.map(() => 'succeeded')]);
  for (const name of jobs) expect(readFileSync(scene.there(`${name}/file`), 'utf8')).toBe(name);
  expect(server.refusedLogins()).toBe(0);
}

describe.each(sharedStores)('over %s', (_name, startStore) => {
  let store: SharedStore;
  beforeAll(async () => {
    store = await startStore();
  });
  afterAll(() => store.stop());

  test.each([2, 1])(
    'with maxSessions %i no login is refused, and all jobs succeed',
    async (most) => {
      const { server, scene, mostInside } = await openJobs(most);
      const args = ['--concurrency', '4'];
      const first = await startDaemonNamed(scene, 'first', store.url, { args });
      const second = await startDaemonNamed(scene, 'second', store.url, { args });
      await runAll(scene, server, first);
      // One worker more than the logins that the server allows.
      const third = most > 1 ? [await startDaemonNamed(scene, 'third', store.url, { args })] : [];
      for (let round = 0; round < 2; round++) await runAll(scene, server, first);
      expect(mostInside()).toBeLessThanOrEqual(most);
      const ends = await Promise.all([first, second, ...third].map((daemon) => daemon.stop()));
      expect(new Set(ends)).toEqual(new Set([0]));
      expect(server.refusedLogins()).toBe(0);
    },
    90_000,
  );

  test('a worker gets its turn at the one login while another has work without end', async () => {
    const last = jobs.at(-1) as string;
    const names = Object.fromEntries(jobs.map((name) => [name, name === last ? 'b' : 'a']));
    const { server, scene, mostInside } = await openJobs(1, names);
    const args = (name: string) => ['--worker', name, '--concurrency', '2'];
    const first = await startDaemonNamed(scene, 'first', store.url, { args: args('a') });
    const second = await startDaemonNamed(scene, 'second', store.url, { args: args('b') });
    let streaming = true;
    let streamed = 0;
    // Two streams of requests for the same jobs, so that there is always one waiting.
    const streams = [1, 2].map(async () => {
      while (streaming) {
        const { code, stderr } = await first.cli(['enqueue', ...jobs.slice(0, -1), '--wait']);
        if (code !== 0) throw new Error(`a run of the stream ended with ${code}:\n${stderr}`);
        streamed++;
      }
    });
    const turns = async () => {
      await eventually(() => streamed > 1);
      for (let turn = 0; turn < 3; turn++) {
        const { code, events } = await second.cli(['enqueue', last, '--wait', '--json']);
        expect([code, events.at(-1)?.outcome]).toEqual([0, 'succeeded']);
      }
      streaming = false;
    };
    await Promise.all([...streams, turns()]);
    expect(mostInside()).toBe(1);
    expect(server.refusedLogins()).toBe(0);
    await Promise.all([first.stop(), second.stop()]);
  }, 90_000);
});
