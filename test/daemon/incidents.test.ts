/** Who is told what by a whole daemon: of a failure, of its end, and once. */
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect } from 'vitest';
import { test } from '../kit/base.js';
import { eventually, killDaemons, startDaemon } from '../kit/daemons/daemon.js';
import { startReceiver } from '../kit/servers/receiver.js';

afterEach(killDaemons);

test('a failed run is told once, and so is the success after it', async ({ scene, redis }) => {
  const receiver = await startReceiver();
  await scene.jobs({ operation: 'push', retry: { attempts: 1 }, description: 'the shop' });
  appendFileSync(
    join(scene.cwd, 'jobs.yml'),
    `\nnotify: { ops: { webhook: "${receiver.url}/hook", group: 0s } }\n`,
  );
  const daemon = await startDaemon(scene, { env: { FERRYLINE_QUEUE: redis.database() } });
  expect((await scene.cli(['enqueue', 'job', '--wait'])).code).not.toBe(0);
  const told = () => receiver.received.map(({ body }) => JSON.parse(body));
  await eventually(() => told().length === 1);
  expect(told()[0]).toMatchObject({
    type: 'incidents.open',
    data: {
      incidents: [{ step: 'opened', cause: 'refused', job: 'job', description: 'the shop' }],
    },
  });
  scene.writeHere({ 'a.txt': 'a' });
  expect((await scene.cli(['enqueue', 'job', '--wait'])).code).toBe(0);
  await eventually(() => told().length === 2);
  expect(told()[1]).toMatchObject({
    type: 'incidents.closed',
    data: { incidents: [{ id: told()[0].data.incidents[0].id, step: 'recovered' }] },
  });
  expect(await daemon.stop()).toBe(0);
  expect(told()).toHaveLength(2);
}, 120_000);
