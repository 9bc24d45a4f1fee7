/** The daemon's start: what happens to it before it has said that it has started. */
import { execFileSync } from 'node:child_process';
import { closeSync, constants, mkdirSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished } from 'vitest';
import { test } from '../kit/base.js';
import { startFerryline } from '../kit/daemons/cli.js';
import { eventually } from '../kit/daemons/daemon.js';

test('an outage of the queue that ends within the start is reported, and the start goes on', async ({
  redis,
  scene,
}) => {
  await scene.jobs({ schedule: '0 0 1 1 *' });
  // the start reads this file with the queue open, and waits for as long as nobody writes to it
  const slots = join(scene.cwd, '.state/slots.json');
  mkdirSync(join(scene.cwd, '.state'));
  execFileSync('mkfifo', [slots]);
  const env = { FERRYLINE_QUEUE: redis.url };
  const daemon = startFerryline(['start'], { cwd: scene.cwd, env });
  onTestFinished(() => void daemon.child.kill('SIGKILL'));

  const writer = await eventually(() => openedByReader(slots));
  await redis.kill9();
  await daemon.said(/"warn","message":"the queue: /);
  await redis.restart();
  await daemon.said(/the queue can be reached again/);
  expect(daemon.stderr()).not.toMatch(/started: /);
  writeSync(writer, '{}');
  closeSync(writer);

  await daemon.said(/started: /);
  const { events } = await scene.cli(['status', '--json'], { env });
  expect(events[0]).toMatchObject({
    queue: { state: 'up' },
    jobs: [{ job: 'job', nextSlot: expect.stringMatching(/-01-01T/) }],
  });
  daemon.child.kill('SIGTERM');
  expect((await daemon.ended).code).toBe(0);
}, 60_000);

/** The writing end of a FIFO; undefined while nobody has opened the other one. */
function openedByReader(fifo: string): number | undefined {
  try {
    return openSync(fifo, constants.O_WRONLY | constants.O_NONBLOCK);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENXIO') throw error;
    return undefined;
  }
}
