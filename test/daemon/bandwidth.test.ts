/** The bandwidth limit of a whole process: all jobs share it, and a reload changes it for the runs in progress. */
import { readdirSync } from 'node:fs';
import { expect } from 'vitest';
import { test } from '../kit/base.js';
import { startFerryline, writeJobs } from '../kit/daemons/cli.js';
import { eventually, runsOf, startDaemon } from '../kit/daemons/daemon.js';
import { remoteIn, type Scene } from '../kit/scene.js';
import type { Sshd } from '../kit/servers/sshd.js';

const files = 200;
/** At this rate all files together take ten minutes. */
const slow = '1KiB/s';

async function manyFiles(scene: Scene): Promise<void> {
  const names = Array.from({ length: files }, (_, n) => `f-${n}`);
  scene.writeHere(Object.fromEntries(names.map((name) => [name, name.padEnd(3072, '.')])));
}

function jobs(scene: Scene, sshd: Sshd, top: object): Promise<string> {
  return writeJobs(scene.cwd, {
    ...top,
    remotes: { archive: remoteIn(sshd) },
    jobs: { job: { operation: 'push', from: './data', to: `archive:${scene.place}` } },
  });
}

function arrived(scene: Scene): number {
  try {
    return readdirSync(scene.there()).filter((name) => name.startsWith('f-')).length;
  } catch {
    return 0;
  }
}

test('a reload takes the limit from a run in progress', async ({ sshd, redis, scene }) => {
  await manyFiles(scene);
  await jobs(scene, sshd, { bandwidth: slow });
  const daemon = await startDaemon(scene, { env: { FERRYLINE_QUEUE: redis.database() } });
  await scene.cli(['enqueue', 'job']);
  await eventually(() => arrived(scene) > 0);
  expect(arrived(scene)).toBeLessThan(files / 2);
  await jobs(scene, sshd, {});
  process.kill(daemon.pid, 'SIGHUP');
  const [run] = await eventually(async () => {
    const all = await runsOf(scene, 'job');
    return all[0]?.outcome !== undefined && all;
  });
  expect(run).toMatchObject({ outcome: 'succeeded', report: { files: { copied: files } } });
  await daemon.stop();
}, 60_000);

test('`run` keeps to it, too', async ({ sshd, scene }) => {
  await manyFiles(scene);
  await jobs(scene, sshd, {
    bandwidth: { windows: [{ hours: 'Mon-Sun', rate: slow }] },
  });
  const run = startFerryline(['run', 'job'], { cwd: scene.cwd });
  await eventually(() => arrived(scene) > 2);
  expect(arrived(scene)).toBeLessThan(files / 2);
  run.child.kill('SIGTERM');
  expect((await run.ended).code).toBe(143);
});

test('comparing contents keeps to it, too', async ({ sshd, scene }) => {
  await manyFiles(scene);
  await jobs(scene, sshd, {});
  expect(await scene.cli(['run', 'job'])).toMatchObject({ code: 0 });
  await jobs(scene, sshd, { bandwidth: slow });
  const limited = await scene.cli(['run', 'job', '--compare', 'checksum', '--timeout', '2s']);
  expect(limited).toMatchObject({ code: 3 });
  expect(limited.stderr).toContain('took longer than its timeout');
  await jobs(scene, sshd, {});
  const free = await scene.cli(['run', 'job', '--compare', 'checksum', '--timeout', '20s']);
  expect(free).toMatchObject({ code: 0 });
});
