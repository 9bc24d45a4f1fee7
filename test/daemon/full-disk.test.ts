/** The daemon with an embedded queue on a state folder whose disk becomes full and gets room again: row 12 of docs/faults.md. */
import { closeSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished } from 'vitest';
import { isRoot } from '../kit/account.js';
import { test } from '../kit/base.js';
import { startFerryline, writeJobs } from '../kit/daemons/cli.js';
import { eventually } from '../kit/daemons/daemon.js';
import { remoteIn } from '../kit/scene.js';

const jobs = Array.from({ length: 40 }, (_, n) => `job-${n}`);

/** Fills the disk of this file. */
function fill(file: string): void {
  const fd = openSync(file, 'w');
  try {
    for (const bytes of [1024 * 1024, 4096, 1])
      try {
        for (;;) if (writeSync(fd, Buffer.alloc(bytes)) < bytes) break;
      } catch (error) {
        expect((error as NodeJS.ErrnoException).code).toBe('ENOSPC');
      }
  } finally {
    closeSync(fd);
  }
}

test('requests that find no room are refused and say why; the others run once there is room, and it goes on by itself', async ({
  sshd,
  scene,
}) => {
  scene.writeHere({ file: 'text' });
  const job = (name: string) => ({
    operation: 'push',
    from: './data',
    to: `archive:${scene.place}/${name}`,
  });
  await writeJobs(scene.cwd, {
    remotes: { archive: remoteIn(sshd) },
    jobs: Object.fromEntries(jobs.map((name) => [name, job(name)])),
  });
  const { cwd } = scene;
  const state = join(cwd, '.state');
  mkdirSync(state);
  // A tmpfs in a mount namespace of its own, which the commands enter.
  const onSmallDisk = `mount -t tmpfs -o size=96m none '${state}' && exec "$0" "$@"`;
  const wrap = ['unshare', isRoot ? '-m' : '-Urm', 'sh', '-c', onSmallDisk];
  const daemon = startFerryline(['start'], { cwd, wrap });
  onTestFinished(() => void daemon.child.kill('SIGKILL'));
  await daemon.said(/started: /);
  const user = isRoot ? [] : ['-U', '--preserve-credentials'];
  const inside = ['nsenter', '-t', String(daemon.pid), '-m', ...user, `--wd=${cwd}`];
  const cli = (...args: string[]) => scene.cli([...args, '--json'], { wrap: inside });

  const filler = join(`/proc/${daemon.pid}/root`, state, 'filler');
  fill(filler);
  const acknowledged: string[] = [];
  const refused = await eventually(async () => {
    const asked = await cli('enqueue', '--all');
    acknowledged.push(...asked.events.flatMap(({ run }) => run ?? []));
    return asked.code !== 0 && asked;
  });
  expect(refused.code).toBe(4);
  expect(refused.stderr).toMatch(/No space left on device[\s\S]*free space on the disk/);
  const [full] = (await cli('status')).events;
  // the second, once a line of audit.log found no room
  expect(full?.warnings[0]).toContain(`${state} is full`);

  rmSync(filler);
  const ends = await eventually(async () => {
    const { events } = await cli('runs', '--idle', '--limit', '1000');
    const ended = new Map(events.map(({ run, outcome }) => [run, outcome]));
    return acknowledged.every((run) => ended.get(run) !== undefined) && ended;
  });
  expect(acknowledged.map((run) => ends.get(run))).toEqual(acknowledged.map(() => 'succeeded'));
  expect((await cli('status')).events[0]?.warnings).toBeUndefined();
  expect((await cli('enqueue', '--all', '--wait')).code).toBe(0);
  daemon.child.kill('SIGTERM');
  expect((await daemon.ended).code).toBe(0);
}, 120_000);
