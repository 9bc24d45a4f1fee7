/** Row 26 of docs/faults.md: a worker stopped past its lock, then continued. */
import { copyFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { test } from '../kit/base.js';
import { startDaemonNamed } from '../kit/daemons/named-daemon.js';
import { onEachStore } from '../kit/servers/stores.js';
import { openSlowScene } from '../kit/slow-scene.js';

test(
  'it changes nothing more once another worker has its run, on each store',
  ({ sshd }) =>
    onEachStore(async (store) => {
      const scene = await openSlowScene(sshd);
      const first = await startDaemonNamed(scene, 'first', store.url);
      const run = await first.enqueue();
      await scene.begun();
      first.child.kill('SIGSTOP');
      const second = await startDaemonNamed(scene, 'second', store.url, { config: scene.fast });
      expect(await second.endOf(run)).toMatchObject({
        outcome: 'succeeded',
        report: { attempt: 1 },
      });
      expect(scene.arrived()).toEqual(scene.names);

      // The first worker had not reached the last files.
      const [changed, gone] = scene.names.slice(-2) as [string, string];
      rmSync(scene.there(gone));
      writeFileSync(scene.there(changed), 'by hand');
      first.child.kill('SIGCONT');
      await first.said(/job: (?:failed|incomplete|succeeded)/);
      expect(await first.stop()).toBe(0);
      expect(scene.arrived()).not.toContain(gone);
      expect(readFileSync(scene.there(changed), 'utf8')).toBe('by hand');

      // One run with one report, on every daemon, the first worker's included.
      copyFileSync(scene.fast, join(scene.cwd, 'jobs.yml'));
      const again = await startDaemonNamed(scene, 'first', store.url);
      for (const daemon of [second, again]) {
        await daemon.endOf(run);
        expect(await daemon.runs()).toMatchObject([{ run, outcome: 'succeeded' }]);
      }
      await Promise.all([again.stop(), second.stop()]);
    }),
  120_000,
);
