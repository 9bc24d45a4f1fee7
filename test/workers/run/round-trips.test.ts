/** How many round trips a run takes on OpenSSH: from the TCP connection to its first data, and for many small requests. */
import { expect, onTestFinished } from 'vitest';
import { test } from '../../kit/base.js';
import { randomBytes } from '../../kit/files/tree.js';
import { turn, ways } from '../../kit/scene.js';
import { startCountingLine } from '../../kit/servers/round-trips.js';

/** More than anything but a file's data. */
const dataBytes = 64 * 1024;
/** More than a channel's window (2 MiB): several channels have sent it. */
const severalWindows = 4 * 1024 * 1024;
const big = randomBytes(24 * 1024 * 1024, 4);

test.for(ways)('a large file is on its way %s as soon as can be', async (way, { scene, sshd }) => {
  const line = await startCountingLine(sshd.port);
  onTestFinished(() => line.stop());
  const side = turn(scene, way);
  side.writeSource({ big });
  const operation = way === 'up' ? 'push' : 'pull';
  await side.jobs({ operation }, { port: line.port, hostKey: sshd.hostKeyFingerprint });
  expect((await scene.run()).report).toMatchObject({ outcome: 'succeeded' });
  // keys 2, login 1, channel with its subsystem 1, greeting and root 1; up, the root and the file in it are made together
  if (way === 'up') {
    expect(line.beforeSending(dataBytes)).toBe(5 + 1);
    // a further channel, its subsystem and its greeting; the file is opened on it
    expect(line.beforeSending(severalWindows)).toBe(4 + 4);
  } else expect(line.untilReceiving(dataBytes)).toBe(5 + 3);
});

test('a thousand deletions share their round trips on a long line', async ({ scene, sshd }) => {
  const line = await startCountingLine(sshd.port);
  onTestFinished(() => line.stop());
  scene.writeHere({ kept: 'kept' });
  scene.writeThere(Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`gone-${i}`, ''])));
  await scene.jobs({ operation: 'mirror' }, { port: line.port, hostKey: sshd.hostKeyFingerprint });
  const { report } = await scene.run('--delete-max', '100%');
  expect(report.files).toMatchObject({ copied: 1, deleted: 1000 });
  // a look and the removal of each, 128 at once, would take 16 more
  expect(line.trips()).toBeLessThan(30);
});
