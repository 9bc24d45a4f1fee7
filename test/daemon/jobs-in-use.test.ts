/** jobs.yml as the running daemon has it. */
import { PassThrough } from 'node:stream';
import { expect, test, vi } from 'vitest';
import { JobsInUse, type ReadConfig } from '../../src/daemon/jobs-in-use.js';
import { createLog } from '../../src/observe/log.js';
import { load, withJob } from '../kit/loading.js';

test('a storm of requests to reload makes one that begins at once, and one after it', async () => {
  const config = load(withJob('schedule: "0 0 1 1 *"'));
  const reads: ((read: ReadConfig) => void)[] = [];
  const inUse = new JobsInUse({
    config,
    filesSeen: '',
    load: () => new Promise((resolve) => reads.push(resolve)),
    onReloaded: () => {},
    log: createLog({
      out: new PassThrough(),
      tty: false,
      colour: false,
      level: 'info',
      redact: (text) => text,
    }),
  });
  const storm = [inUse.reload()];
  await vi.waitFor(() => expect(reads).toHaveLength(1));
  for (let i = 0; i < 100; i++) storm.push(inUse.reload());
  reads[0]?.({ config, filesSeen: '' });
  await vi.waitFor(() => expect(reads).toHaveLength(2));
  reads[1]?.({ config, filesSeen: '' });
  await Promise.all(storm);
  expect(reads).toHaveLength(2);
});
